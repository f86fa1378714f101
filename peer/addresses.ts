// The addresses of this machine: where its port can be reached, and noticing that they have changed.
import { networkInterfaces } from 'node:os';
import { isLoopback, plainAddress } from '../shared/address.ts';

const lookMs = 1_000;

/** `192.0.2.1:6067`, `[2001:db8::1]:6067` */
export function endpoint(address: string, port: number): string {
  const plain = plainAddress(address);
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`;
}

function ownAddresses(): { address: string; family: string }[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
}

/** Addresses of this machine where a port bound to this one may be reached from nearby. */
export function reachableAddresses(bound: string): string[] {
  if (bound !== '0.0.0.0' && bound !== '::') return [bound];
  const reached = ownAddresses().filter(({ address, family }) => {
    // Link-local ones need the interface's name, which means nothing elsewhere.
    if (address.toLowerCase().startsWith('fe80:')) return false;
    return bound === '::' || family === 'IPv4';
  });
  return reached.map(({ address }) => address);
}

/** Tells whether a connection from this address of this machine can still be alive. */
export type CanLive = (localAddress: string) => boolean;

/**
 * A connection from an address that is gone will never hear anything again. But where there is no other, the cable may
 * only be out: then it may come back.
 */
export function canLive(own: readonly string[], localAddress: string): boolean {
  const local = plainAddress(localAddress);
  if (local === '' || isLoopback(local) || own.includes(local)) return true;
  const isSix = local.includes(':');
  return !own.some((address) => address.includes(':') === isSix && !isLoopback(address) && !isLinkLocal(address));
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}

/** Calls onChange when the addresses of this machine have changed. Returns what ends it. */
export function watchAddresses(onChange: (canLive: CanLive) => void): () => void {
  const look = (): string[] => [...new Set(ownAddresses().map(({ address }) => address))].sort();
  let last = look().join();
  const timer = setInterval(() => {
    const own = look();
    if (own.join() === last) return;
    last = own.join();
    onChange((localAddress) => canLive(own, localAddress));
  }, lookMs);
  timer.unref();
  return () => clearInterval(timer);
}
