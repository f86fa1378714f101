// Makes protobufjs read 64-bit fields as numbers: account ids are below 2^53, and so is all else on the wire.
import protobuf from 'protobufjs/minimal.js';
import { parley } from './protocol.js';

// protobufjs uses the package `long` wherever it finds it; a Long compares with nothing.
const { util } = protobuf as unknown as { util: { Long: unknown } };
util.Long = null;
protobuf.configure();
// Each class was made before this: the defaults of its absent fields are Longs still.
for (const type of Object.values(parley)) {
  if (typeof type !== 'function') continue;
  const defaults = type.prototype as unknown as Record<string, unknown>;
  for (const [field, value] of Object.entries(defaults)) {
    if (typeof value === 'object' && value !== null && 'low' in value) defaults[field] = 0;
  }
}
