// The center's own mail: notices that go to a sender by way of its mailbox, each once.
import { errorCodes, ParleyError } from '../../shared/errors.ts';
import { receiptRoom } from './codec.ts';
import type { Mail } from './mail.ts';
import type { Outbox } from './outbox.ts';

/** A notice: its number in the outbox of such notices, and its frame at a position. */
export interface CenterNotice {
  number: number;
  encode(position: number, receivedAtMs: number): Buffer;
}

export class Notices {
  readonly #mail: Mail;
  /** For each account that is being sent some: settles when the last ones are. */
  readonly #last = new Map<number, Promise<void>>();
  /** For each outbox that some are on their way from: settles when they are answered. */
  readonly #answered = new Map<Outbox, Promise<void>>();

  constructor(mail: Mail) {
    this.#mail = mail;
  }

  /** Places notices for this account; resolves when they are accepted. Repeats are left out. */
  send(account: number, outboxId: Uint8Array, notices: CenterNotice[]): Promise<void> {
    // One after the other: two at once for one outbox would wait for each other's answers. But those for one account do
    // not wait for those of another, whose mailbox may be kept from opening until these are sent.
    const before = this.#last.get(account) ?? Promise.resolve();
    const sent = before.then(() => this.#send(account, outboxId, notices));
    const last = sent
      .catch(() => undefined)
      .finally(() => {
        if (this.#last.get(account) === last) this.#last.delete(account);
      });
    this.#last.set(account, last);
    return sent;
  }

  async #send(account: number, outboxId: Uint8Array, notices: CenterNotice[]): Promise<void> {
    const { pool } = this.#mail;
    const mailbox = await this.#mail.openMailbox(account);
    const outbox = mailbox && (await this.#mail.openOutbox(0, '', outboxId, mailbox));
    if (!outbox) return;
    // The session of an outbox hears of those to one account.
    const others = this.#answered.get(outbox);
    if (others || mailbox.state === 'gone') {
      await others;
      return this.#send(account, outboxId, notices);
    }
    // Whoever is being deleted gets them as well: it may not come to that, and this is said once.
    const flow = outbox.flow(account);
    const fresh = notices.filter(({ number }) => number > flow.placed);
    const last = fresh.at(-1)?.number ?? flow.placed;
    if (flow.accepted >= last) return;
    const accepted = Promise.withResolvers<void>();
    const receipts = pool.take(receiptRoom * 2);
    outbox.session = {
      reserve: () => {
        receipts.used = 0;
        return receipts;
      },
      refused: (_to, _number, code) => {
        if (code === 'unknown_account') accepted.resolve();
        else accepted.reject(new ParleyError(code, errorCodes[code]));
      },
      resolved: () => flow.accepted >= last && accepted.resolve(),
    };
    for (const { number, encode } of fresh) {
      mailbox.placeFrame(flow, number, (position) => encode(position, this.#mail.receivedAtMs));
    }
    const answered = accepted.promise.finally(() => {
      this.#answered.delete(outbox);
      outbox.session = null;
      pool.release(receipts);
    });
    this.#answered.set(
      outbox,
      answered.catch(() => undefined),
    );
    await answered;
  }
}
