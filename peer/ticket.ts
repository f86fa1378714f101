// The ticket that came with a token: with it a session is continued without signatures, over TLS without a certificate.
import type { KeyObject } from 'node:crypto';
import { maxTicketLength, ticketSecret } from '../shared/ticket.ts';

/** What is longer, or no text of one byte a character, TLS or the center would stumble over at each attempt. */
const shape = new RegExp(`^[!-~]{1,${maxTicketLength}}$`);

/** What a session is continued with. */
export interface Pass {
  key: KeyObject;
  token: string;
  /** null: the key has to sign. */
  ticket: Ticket | null;
}

export class Ticket {
  readonly text: string;
  /** Only the center and this peer can derive it. */
  readonly secret: Buffer;
  /** False where TLS failed that was begun with it: it may have been for that. */
  isGood = true;

  constructor(text: string, secret: Buffer) {
    this.text = text;
    this.secret = secret;
  }
}

/** What to come back with after this Welcome. identityKey: the center's. before: what was come with, if anything. */
export function nextPass(
  welcome: { token: string; ticket: string },
  key: KeyObject,
  identityKey: Uint8Array,
  before: Pass | null = null,
): Pass {
  const { token, ticket } = welcome;
  if (shape.test(ticket)) return { key, token, ticket: new Ticket(ticket, ticketSecret(key, identityKey, token)) };
  return { key, token, ticket: before?.token === token ? before.ticket : null };
}
