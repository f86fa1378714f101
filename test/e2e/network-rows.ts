// The networks on which private links are tried: who is where, which route is to be found, and what happens meanwhile.
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { LinkRoute } from '../../peer/events.ts';
import type { Host, Networks } from '../helpers/networks.ts';
import type { RemoteCenter } from '../helpers/remote-center.ts';
import type { RemotePeer } from '../helpers/remote-peer.ts';
import { slownessOfMachine } from '../helpers/slowness.ts';

export const withinMs = 2_000;
/** Where it has to be waited for that something silent is taken for gone. */
const withinSilenceMs = 5_000;
/** Links that are talking are this old at least. */
const talkMs = 2_500;
const cutMs = 2_500;

export interface Pair {
  seas: RemotePeer;
  google: RemotePeer;
  /** Where seas and google are. */
  hosts: readonly [Host, Host];
  center: RemoteCenter;
}

export interface Measured {
  route: LinkRoute;
  ms: number;
  why: string[];
}

export interface Row {
  network: string;
  hosts(networks: Networks): readonly [Host, Host];
  route: LinkRoute;
  withinMs?: number;
  /** What happens to it must not happen to the others. */
  hasOwnCenter?: boolean;
  /** What happens once the first message is there; the time measured is that of the message after it. */
  afterwards?(pair: Pair): Promise<number>;
}

const nat = 'NAT that keeps ports';
export const symmetric = 'both behind symmetric NATs';
export const centerGone = 'the center gone, and then the link broken';
export const rows: readonly Row[] = [
  { network: 'both open', hosts: (n) => [n.host('1a'), n.host('1b')], route: 'direct' },
  {
    network: 'the one who asks behind a NAT',
    hosts: (n) => [n.home('2', nat).host('2a'), n.host('2b')],
    route: 'direct',
  },
  {
    network: 'the other behind a NAT',
    hosts: (n) => [n.host('3a'), n.home('3', nat).host('3b')],
    route: 'dialled back',
  },
  {
    network: 'both behind the same NAT',
    hosts: (n) => {
      const home = n.home('4', nat);
      return [home.host('4a'), home.host('4b')];
    },
    route: 'direct',
  },
  {
    network: 'both behind NATs that keep ports',
    hosts: (n) => [n.home('5', nat).host('5a'), n.home('5-', nat).host('5b')],
    route: 'punched',
  },
  {
    network: symmetric,
    hosts: (n) => [n.home('6', 'symmetric NAT').host('6a'), n.home('6-', 'symmetric NAT').host('6b')],
    route: 'relayed',
  },
  {
    network: 'the one who asks behind a silent firewall',
    hosts: (n) => [n.home('7', 'firewall').host('7a'), n.host('7b')],
    route: 'direct',
  },
  {
    network: 'the other behind a silent firewall',
    hosts: (n) => [n.host('8a'), n.home('8', 'firewall').host('8b')],
    route: 'dialled back',
  },
  {
    network: 'both behind silent firewalls',
    hosts: (n) => [n.home('9', 'firewall').host('9a'), n.home('9-', 'firewall').host('9b')],
    route: 'punched',
  },
  {
    network: 'IPv6 only',
    hosts: (n) => [n.host('10a', { families: [6] }), n.host('10b', { families: [6] })],
    route: 'direct',
  },
  {
    network: 'an address that changes while talking',
    hosts: (n) => [n.host('11a'), n.host('11b')],
    route: 'direct',
    withinMs: withinSilenceMs,
    afterwards: async (pair) => {
      await wait(talkMs);
      pair.hosts[0].move();
      return firstMessage(pair, 'From elsewhere.');
    },
  },
  {
    network: 'a link cut for 2.5 s while talking',
    hosts: (n) => [n.host('12a'), n.host('12b')],
    route: 'direct',
    withinMs: withinSilenceMs,
    afterwards: async (pair) => {
      pair.hosts[0].cut();
      const stored = firstMessage(pair, 'Written without a cable.');
      await wait(cutMs);
      pair.hosts[0].mend();
      return (await stored) - cutMs;
    },
  },
  {
    network: centerGone,
    hosts: (n) => [n.host('13a'), n.host('13b')],
    hasOwnCenter: true,
    route: 'direct',
    withinMs: withinSilenceMs,
    afterwards: async (pair) => {
      await wait(talkMs);
      await pair.center.kill();
      await Promise.all([pair.seas, pair.google].map((peer) => peer.sees('disconnected')));
      expect(await firstMessage(pair, 'Nobody between us.')).to.be.below(withinMs * slownessOfMachine());
      pair.hosts[0].move();
      return firstMessage(pair, 'Linked anew without a center.');
    },
  },
];

/** Milliseconds until the other side has stored it. */
export async function firstMessage({ seas, google }: Pair, text: string): Promise<number> {
  const beforeMs = performance.now();
  await seas.call('private', google.name, text);
  const ms = performance.now() - beforeMs;
  expect((await google.sees('message')).message).to.include({ from: seas.name, text, private: true });
  return ms;
}

/** From the consent on. */
export async function link(pair: Pair): Promise<number> {
  const { seas, google } = pair;
  await seas.call('getAddress', google.name);
  await google.sees('address_request');
  const beforeMs = performance.now();
  await google.call('allow', seas.name);
  await firstMessage(pair, 'Hello.');
  const ms = performance.now() - beforeMs;
  await google.call('private', seas.name, 'Hello to you');
  await seas.sees('message');
  return ms;
}
