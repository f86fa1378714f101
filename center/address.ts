// Addresses as the center counts them: a household or a host, not each of the addresses it can choose from.
import { isIPv6 } from 'node:net';

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** The address itself, or the /64 of an IPv6 address (`2001:db8:0:1::/64`); IPv4 in IPv6 is IPv4. */
export function countedAddress(address: string): string {
  const plain = address.split('%', 1)[0] ?? '';
  if (!isIPv6(plain)) return plain;
  const ipv4 = mapped.exec(plain)?.[1];
  if (ipv4 !== undefined) return ipv4;
  // The URL parser writes every form of an address in the same way.
  const canonical = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? [] : Array.from({ length: 8 - first.length - last.length }, () => '0');
  return `${[...first, ...gap, ...last].slice(0, 4).join(':')}::/64`;
}
