// Protobuf's variable-length integers, written in place where speed matters.

const twoTo31 = 2_147_483_648;

/** How many bytes writeVarint needs for a whole number below 2^53. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest /= 128) bytes++;
  return bytes;
}

/** Writes a varint and returns where it ended. */
export function writeVarint(bytes: Buffer, at: number, value: number): number {
  let rest = value;
  let to = at;
  while (rest >= twoTo31) {
    bytes[to++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest >= 128) {
    bytes[to++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[to++] = rest;
  return to;
}
