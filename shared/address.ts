// IP addresses as both programs read them.

/** 127.0.0.0/8 and ::1, also as IPv4 within IPv6. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./i.test(address);
}

/** IPv4 in IPv6, as a socket of both families shows it, as the IPv4 address that it is. */
export function plainAddress(address: string): string {
  return /^::ffff:[\d.]+$/i.test(address) ? address.slice('::ffff:'.length) : address;
}
