// Protobuf's variable-length integers, written in place where speed matters.

const twoTo28 = 268_435_456;

/** How many bytes writeVarint needs for a whole number below 2^53. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < twoTo28) return 4;
  if (value < 0x80 * twoTo28) return 5;
  if (value < 0x4000 * twoTo28) return 6;
  return value < 0x200000 * twoTo28 ? 7 : 8;
}

/** Writes a varint and returns where it ended. */
export function writeVarint(bytes: Buffer, at: number, value: number): number {
  let to = at;
  let rest = value;
  // In halves that are small integers: on others V8 reckons with doubles.
  if (value >= twoTo28) {
    rest = Math.floor(value / twoTo28);
    const low = value - rest * twoTo28;
    bytes[to] = low | 0x80;
    bytes[to + 1] = (low >>> 7) | 0x80;
    bytes[to + 2] = (low >>> 14) | 0x80;
    bytes[to + 3] = (low >>> 21) | 0x80;
    to += 4;
  }
  while (rest >= 0x80) {
    bytes[to++] = rest | 0x80;
    rest >>>= 7;
  }
  bytes[to++] = rest;
  return to;
}
