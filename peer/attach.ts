// Opens the flow of messages over a connection that is logged in.
import { ParleyError } from '../shared/errors.ts';
import type { parley } from '../shared/protocol.js';
import type { Connection } from './connection.ts';
import type { Desk } from './desk.ts';
import { windowMessages } from './inbox.ts';

/** outbox_is_old: the files are an old backup; a new outbox was begun, which needs a new connection. */
export type AttachOutcome = 'attached' | 'outbox_is_old';

/** Resume takes them along in a frame that may have 4096 bytes; a center makes use of a few. */
const maxLocalAddresses = 32;

/** localAddresses: where listenPort may be reached from nearby. */
export function attachBody(
  { outgoing }: Desk,
  { hold, listenPort, localAddresses }: { hold: boolean; listenPort: number; localAddresses: string[] },
): parley.Attach.$Properties {
  const local = localAddresses.slice(0, maxLocalAddresses);
  return { outbox: outgoing.outboxId, hold, listenPort, localAddresses: local, windowMessages };
}

/** Takes what the center says to Attach, in the turn in which that is read. */
export function takeAttached(
  connection: Connection,
  { outgoing, outbox, store }: Desk,
  { highestNumber, waiting }: parley.Attached.$Properties,
  onAttached: (waiting: number) => void,
): AttachOutcome {
  if (!outgoing.isOlderThan(highestNumber ?? 0)) {
    onAttached(waiting ?? 0);
    return 'attached';
  }
  // The receipts that came with it speak of other messages than those that are here.
  outbox.renew();
  store.commit();
  connection.close(new ParleyError('cancelled', 'Attaching again with a new outbox.'));
  return 'outbox_is_old';
}

/**
 * Says Attach. take gets the answer before any later frame is read.
 * @throws ParleyError what the center answers, disconnected, cancelled by the signal
 */
export async function attach(
  connection: Connection,
  body: parley.Attach.$Properties,
  signal: AbortSignal,
  take: (attached: parley.Attached.$Properties) => AttachOutcome,
): Promise<AttachOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<AttachOutcome>();
  const giveUp = () => connection.close(new ParleyError('cancelled', 'Connecting was given up.'));
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  connection.ask({ attach: body }, (reply) => {
    if (reply instanceof ParleyError) return reject(reply);
    if (!reply.attached) return reject(new ParleyError('bad_frame', 'The center did not answer Attach.'));
    try {
      resolve(take(reply.attached));
    } catch (error) {
      reject(error);
    }
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
