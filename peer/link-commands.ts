// The commands of private links: asking, allowing, talking, and knowing who is at the other end.
import { setTimeout as pause } from 'node:timers/promises';
import { foldName } from '../shared/names.ts';
import type { PeerApi } from './api.ts';
import type { CommandName, Rows } from './command.ts';
import type { Consent } from './events.ts';
import { addressed, type Fields, named, nothing, taken } from './fields.ts';

type LinkCommandName = Extract<
  CommandName,
  | ('getaddress' | 'allow' | 'deny' | 'revoke' | 'consents' | 'private')
  | ('links' | 'why' | 'verify' | 'trust' | 'untrust')
>;

/** Nobody has more. */
export const maxConsentsListed = 10_000;
/** Long enough for the answer of most. */
const measuringMs = 100;
const minuteMs = 60_000;
const unitMs = { m: minuteMs, h: 60 * minuteMs, d: 24 * 60 * minuteMs };
/** The center keeps no consent longer. */
export const maxConsentMs = 365 * unitMs.d;

/** `30m`, `1h`, `2d`, `once`; nothing: a day. */
function period(fields: Fields): { forMs: number; once: boolean } {
  const text = fields.optionalText('for') ?? '';
  if (text === '') return { forMs: 0, once: false };
  if (text.toLowerCase() === 'once') return { forMs: 0, once: true };
  const [, n = '', unit = ''] = /^([0-9]{1,6})([mhd])$/i.exec(text) ?? [];
  const forMs = Number(n) * (unitMs[unit.toLowerCase() as keyof typeof unitMs] ?? 0);
  if (forMs < minuteMs || forMs > maxConsentMs) {
    return fields.fail(`${JSON.stringify(text)} is not a time of one minute to 365 days, such as 30m, 1h or 2d.`);
  }
  return { forMs, once: false };
}

const theName = (fields: Fields): string => fields.text('name', 'The name');

function isLinked(peer: PeerApi, name: string): boolean {
  return peer.links().some((link) => foldName(link.name) === foldName(name));
}

export const linkCommands: Rows<LinkCommandName> = {
  getaddress: {
    usage: 'getaddress NAME',
    help: 'ask NAME for a private link, machine to machine; each is then shown the other’s address',
    split: named('name'),
    build: (fields) => ({ command: 'getaddress', name: theName(fields) }),
    async run({ peer }, { name }) {
      await peer.getAddress(name);
      return { reply: 'getaddress', name, linked: isLinked(peer, name) };
    },
  },
  allow: {
    usage: 'allow NAME [30m | 1h | 2d | once]',
    help: 'let NAME link with you, for a day unless told otherwise; once: until one of you logs out',
    split: named('name', 'for'),
    build: (fields) => ({ command: 'allow', name: theName(fields), ...period(fields) }),
    async run({ peer }, { name, forMs, once }) {
      await peer.allow(name, { ...(forMs > 0 && { forMs }), once });
      return { reply: 'allow', name, forMs, once };
    },
  },
  deny: {
    usage: 'deny NAME',
    help: 'do not let NAME link with you; they are not told, and cannot ask again for a day',
    split: named('name'),
    build: (fields) => ({ command: 'deny', name: theName(fields) }),
    async run({ peer }, { name }) {
      await peer.deny(name);
      const { items } = await taken<Consent>(peer.consents(), maxConsentsListed);
      const consented = items.some((consent) => foldName(consent.name) === foldName(name));
      return { reply: 'deny', name, consented };
    },
  },
  revoke: {
    usage: 'revoke NAME',
    help: 'end the consent between the two of you, whoever gave it, and the link',
    split: named('name'),
    build: (fields) => ({ command: 'revoke', name: theName(fields) }),
    async run({ peer }, { name }) {
      return { reply: 'revoke', name, ...(await peer.revoke(name)) };
    },
  },
  consents: {
    usage: 'consents',
    help: 'list whom you let link with you and who lets you, until when',
    split: nothing,
    build: () => ({ command: 'consents' }),
    async run({ peer }) {
      const { items, more } = await taken<Consent>(peer.consents(), maxConsentsListed);
      return { reply: 'consents', consents: items, more };
    },
  },
  private: {
    usage: 'private NAME TEXT',
    help: 'send TEXT over a private link only; it waits here until there is one',
    split: addressed,
    build: (fields) => ({
      command: 'private',
      to: fields.text('to', 'The name'),
      text: fields.text('text', 'The text'),
    }),
    async run({ peer }, { to, text }) {
      const message = await peer.private(to, text, { until: 'outbox' });
      return { reply: 'private', message, linked: isLinked(peer, to) };
    },
  },
  links: {
    usage: 'links',
    help: 'list the private links: route, address, round trip, verified or not, since when',
    split: nothing,
    build: () => ({ command: 'links' }),
    async run({ peer }) {
      // To list them is to measure them: what was measured before is of some time ago.
      if (peer.links().length > 0) await pause(measuringMs);
      return { reply: 'links', links: peer.links() };
    },
  },
  why: {
    usage: 'why NAME',
    help: 'explain the route of the link with NAME: what was tried, what failed, what would help',
    split: named('name'),
    build: (fields) => ({ command: 'why', name: theName(fields) }),
    async run({ peer }, { name }) {
      return { reply: 'why', name, lines: peer.why(name) };
    },
  },
  verify: {
    usage: 'verify NAME [yes]',
    help: 'show both of you six digits to read aloud; yes: they were the same',
    split: named('name', 'answer'),
    build(fields) {
      const name = theName(fields);
      const answer = fields.optionalText('answer') ?? '';
      if (answer !== '' && answer.toLowerCase() !== 'yes') fields.fail(`${JSON.stringify(answer)} is not yes.`);
      return { command: 'verify', name, confirmed: answer !== '' };
    },
    async run({ peer }, { name, confirmed }) {
      if (confirmed) peer.confirmVerified(name);
      else peer.verify(name);
      return { reply: 'verify', name, confirmed };
    },
  },
  trust: {
    usage: 'trust NAME',
    help: 'accept that NAME uses a new machine',
    split: named('name'),
    build: (fields) => ({ command: 'trust', name: theName(fields) }),
    async run({ peer }, { name }) {
      peer.trust(name);
      return { reply: 'trust', name };
    },
  },
  untrust: {
    usage: 'untrust NAME',
    help: 'forget the keys of NAME, and end the link, until trust NAME',
    split: named('name'),
    build: (fields) => ({ command: 'untrust', name: theName(fields) }),
    async run({ peer }, { name }) {
      peer.untrust(name);
      return { reply: 'untrust', name };
    },
  },
};
