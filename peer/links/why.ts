// The words of `why`: which way a link goes or what stands in its way, what was tried, and what would help.
import type { Route } from './link.ts';
import type { Pairing } from './pairing.ts';

const routeWords: Record<Route, string> = {
  direct: 'is direct: nobody stands between the two machines',
  'dialled back': 'is direct: the other side reached this one, which could not reach it',
  punched: 'is direct: both sides opened their NATs or firewalls towards each other at one moment',
  relayed: 'is relayed: the center passes on what it cannot read',
};

/** A line for each thing to know. */
export function explain(pairing: Pairing, isCenterThere: boolean): string[] {
  const lines = [state(pairing)];
  if (isUnreachable(pairing)) {
    lines.push(`No address of ${pairing.name} could be dialled: its port is closed, or behind a NAT or a firewall.`);
  }
  for (const { atMs, attempt } of pairing.notes) {
    lines.push(`${new Date(atMs).toTimeString().slice(0, 8)} ${attempt.what}: ${attempt.outcome}`);
  }
  const advice = help(pairing, isCenterThere);
  if (advice) lines.push(advice);
  return lines;
}

/** Of somebody who was linked with before, and was not introduced since this peer began. */
export function explainAway(name: string): string[] {
  return [
    `There is no link with ${name} now: ${name} is away, or the consent has ended.`,
    `When both are online, a link comes up by itself; consents tells whether it still may.`,
  ];
}

function state({ name, link, standing, ending }: Pairing): string {
  if (link) {
    const where = link.channel.where ? ` (${link.channel.where})` : '';
    return `The link with ${name} ${routeWords[link.channel.route]}${where}.`;
  }
  if (standing === 'introduced') return `There is no link with ${name} now; it is tried again.`;
  if (standing === 'new key')
    return `${name} uses a new machine, or one that you untrusted: nothing is linked until trust ${name}.`;
  if (ending?.away) return `There is no link with ${name}, who ${ending.away}.`;
  return `There is no link with ${name}. ${ending?.reason ?? 'You two were not introduced yet.'}`;
}

/** Where this side was to dial and could not. */
function isUnreachable({ link, introduction }: Pairing): boolean {
  if (!introduction || introduction.candidates.length > 0) return false;
  return link?.channel.route !== 'direct';
}

function help({ name, link, standing, ending }: Pairing, isCenterThere: boolean): string {
  if (link?.channel.route === 'relayed') {
    return 'A direct link would need one of the two ports to be open: forward the port of one peer in its router, or allow it in its firewall.';
  }
  if (link || standing === 'new key') return '';
  if (ending?.away) return `When ${name} is back, a link comes up by itself.`;
  if (standing !== 'introduced') return `getaddress ${name} asks for a new consent.`;
  return isCenterThere
    ? `If ${name} is online, a link comes up by itself.`
    : 'The center is away: only known addresses can be tried.';
}

/** Why a private message waits. */
export function whyPending(name: string, pairing: Pairing | undefined): string {
  if (!pairing) return `waiting for ${name}, or for consent`;
  if (pairing.link) return 'on its way';
  if (pairing.standing === 'new key') return `${name} uses a new machine: trust ${name}`;
  const isConsented = pairing.standing === 'introduced' || pairing.ending?.away;
  return isConsented ? `waiting for a link with ${name}` : `waiting for ${name}’s consent`;
}
