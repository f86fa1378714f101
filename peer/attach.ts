// Opens the flow of messages over a connection that is logged in.
import { ParleyError } from '../shared/errors.ts';
import type { Connection } from './connection.ts';
import type { Desk } from './desk.ts';
import { windowMessages } from './inbox.ts';

/** outbox_is_old: the files are an old backup; a new outbox was begun, which needs a new connection. */
export type AttachOutcome = 'attached' | 'outbox_is_old';

interface AttachOptions {
  hold: boolean;
  listenPort: number;
  /** Where that port may be reached from nearby. */
  localAddresses: string[];
  signal: AbortSignal;
}

/**
 * Says Attach. onAttached gets the count of messages that wait, before any later frame is read.
 * @throws ParleyError what the center answers, disconnected, cancelled by the signal
 */
export async function attach(
  connection: Connection,
  { outgoing, outbox, store }: Desk,
  { hold, listenPort, localAddresses, signal }: AttachOptions,
  onAttached: (waiting: number) => void,
): Promise<AttachOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<AttachOutcome>();
  const giveUp = () => connection.close(new ParleyError('cancelled', 'Connecting was given up.'));
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  const request = { outbox: outgoing.outboxId, hold, listenPort, localAddresses, windowMessages };
  connection.ask({ attach: request }, (reply) => {
    if (reply instanceof ParleyError) reject(reply);
    else if (!reply.attached) reject(new ParleyError('bad_frame', 'The center did not answer Attach.'));
    else if (outgoing.isOlderThan(reply.attached.highestNumber ?? 0)) {
      // The receipts that came with it speak of other messages than those that are here.
      outbox.renew();
      store.commit();
      connection.close(new ParleyError('cancelled', 'Attaching again with a new outbox.'));
      resolve('outbox_is_old');
    } else {
      onAttached(reply.attached.waiting ?? 0);
      resolve('attached');
    }
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
