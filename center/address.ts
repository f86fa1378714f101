// Addresses as the center counts them: a household or a host, not each of the addresses it can choose from.
import { isIPv6 } from 'node:net';

const ipv4InIpv6 = '0:0:0:0:0:ffff';

/** The address itself, or the /64 of an IPv6 address (`2001:db8:0:1::/64`); IPv4 in IPv6 is IPv4. */
export function countedAddress(address: string): string {
  const plain = address.split('%', 1)[0] ?? '';
  if (!isIPv6(plain)) return plain;
  const groups = groupsOf(plain);
  if (groups.slice(0, 6).join(':') !== ipv4InIpv6) return `${groups.slice(0, 4).join(':')}::/64`;
  const bytes = groups
    .slice(6)
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
  return bytes.join('.');
}

/** The eight groups, lower-case hex without leading zeros. */
function groupsOf(ipv6: string): string[] {
  // The URL parser writes every form of an address in the same way.
  const [head = '', tail] = new URL(`http://[${ipv6}]`).hostname.slice(1, -1).split('::');
  const first = head === '' ? [] : head.split(':');
  if (tail === undefined) return first;
  const last = tail === '' ? [] : tail.split(':');
  const gap = Array.from({ length: 8 - first.length - last.length }, () => '0');
  return [...first, ...gap, ...last];
}
