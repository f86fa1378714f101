// The words of `why`: which way a link goes or what stands in its way, what was tried, and what would help.
import type { Route } from './link.ts';
import type { Pairing } from './pairing.ts';

const routeWords: Record<Route, string> = {
  direct: 'is direct: nobody stands between the two machines',
  'dialled back': 'is direct: the other side reached this one, which could not reach it',
  punched: 'is direct: both sides opened their NATs towards each other at one moment',
  relayed: 'is relayed: the center passes on what it cannot read',
};

/** A line for each thing to know. */
export function explain(pairing: Pairing, isCenterThere: boolean): string[] {
  const { name, link, standing, introduction } = pairing;
  const lines: string[] = [];
  if (link) {
    const where = link.channel.where ? ` (${link.channel.where})` : '';
    lines.push(`The link with ${name} ${routeWords[link.channel.route]}${where}.`);
  } else if (standing === 'introduced') lines.push(`There is no link with ${name} now; it is tried again.`);
  else if (standing === 'new key') lines.push(`${name} uses a new machine: nothing is linked until trust ${name}.`);
  else
    lines.push(
      `There is no link with ${name}: the consent has ended${pairing.endedBy ? ` (${pairing.endedBy})` : ''}.`,
    );
  for (const { atMs, attempt } of pairing.notes) {
    lines.push(`${new Date(atMs).toTimeString().slice(0, 8)} ${attempt.what}: ${attempt.outcome}`);
  }
  const advice = help(pairing, isCenterThere);
  if (advice) lines.push(advice);
  if (introduction && introduction.candidates.length === 0) {
    lines.push(`No address of ${name} is known that could be dialled: its port is closed, or behind a NAT.`);
  }
  return lines;
}

function help({ name, link, standing }: Pairing, isCenterThere: boolean): string {
  if (link?.channel.route === 'relayed') {
    return `A direct link would need one of the two ports to be open: forward the port of one peer in its router, or allow it in its firewall.`;
  }
  if (link) return '';
  if (standing === 'ended' || standing === 'unknown') return `getaddress ${name} asks for a new consent.`;
  return isCenterThere
    ? `If ${name} is online, a link comes up by itself.`
    : 'The center is away: only known addresses can be tried.';
}
