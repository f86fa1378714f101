// The addresses of this machine: where its port can be reached, and noticing that they have changed.
import { networkInterfaces } from 'node:os';

/** 127.0.0.0/8 and ::1, also as IPv4 within IPv6. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./i.test(address);
}

/** Addresses of this machine where a port bound to this one may be reached from nearby. */
export function reachableAddresses(bound: string): string[] {
  if (bound !== '0.0.0.0' && bound !== '::') return [bound];
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const reached = own.filter(({ address, family }) => {
    // Link-local ones need the interface's name, which means nothing elsewhere.
    if (address.toLowerCase().startsWith('fe80:')) return false;
    return bound === '::' || family === 'IPv4';
  });
  return reached.map(({ address }) => address);
}
