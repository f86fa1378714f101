// The few fields that the center needs of Message, Ack, Accepted and Stored, read and written in place: this is what a
// center does all day. Anything unusual is left to protobufjs. Numbers of fields: shared/protocol.proto.
import { isUtf8 } from 'node:buffer';
import { ParleyError } from '../../shared/errors.ts';
import { lengthBytes } from '../../shared/frames.ts';
import { parley } from '../../shared/protocol.js';
import { varintBytes, writeVarint } from '../../shared/varint.ts';

// Tags: field number << 3 | wire type. All are one byte.
export const tagMessage = 0x12;
export const tagAck = 0x22;
const tagDeliver = 0x1a;
const tagAccepted = 0x2a;
const tagStored = 0x32;
const tagFixed1 = 0x09;
const tagVarint1 = 0x08;
const tagVarint2 = 0x10;
const tagFixed2 = 0x11;
const tagBytes3 = 0x1a;
const tagString4 = 0x22;
const tagVarint5 = 0x28;
const tagNumber = 0x40;
const tagSentAt = 0x48;
const tagBody = 0x52;

const twoTo32 = 4_294_967_296;
const twoTo28 = 268_435_456;
const twoTo25 = 33_554_432;

/** Where the last varint ended. One object for all: nothing here waits. */
interface Cursor {
  at: number;
}

/** Reads a varint below 2^53; -1 if it is longer, cut off or larger. */
function readVarint(bytes: Buffer, end: number, cursor: Cursor): number {
  let at = cursor.at;
  let low = 0;
  for (let shift = 0; shift < 28 && at < end; shift += 7) {
    const byte = bytes[at++]!;
    low |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      cursor.at = at;
      return low;
    }
  }
  let high = 0;
  for (let shift = 0; shift < 28 && at < end; shift += 7) {
    const byte = bytes[at++]!;
    high |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      cursor.at = at;
      return high < twoTo25 ? high * twoTo28 + low : -1;
    }
  }
  return -1;
}

/** What the center needs to know of a Message. `tail` is from its number to its end: Deliver has the same bytes. */
export interface MessageView {
  toLow: number;
  toHigh: number;
  number: number;
  tailStart: number;
  tailEnd: number;
  bodyBytes: number;
  text: 'ok' | 'not_utf8';
}

export function emptyView(): MessageView {
  return { toLow: 0, toHigh: 0, number: 0, tailStart: 0, tailEnd: 0, bodyBytes: 0, text: 'ok' };
}

const cursor: Cursor = { at: 0 };

/**
 * Reads a Frame that holds nothing but a Message, its fields in ascending order, into view.
 * False for every other shape: the caller then decodes it and takes canonicalMessage.
 */
export function readMessage(bytes: Buffer, start: number, end: number, view: MessageView): boolean {
  if (bytes[start] !== tagMessage) return false;
  cursor.at = start + 1;
  if (readVarint(bytes, end, cursor) !== end - cursor.at) return false;
  let at = cursor.at;
  if (end - at < 11 || bytes[at] !== tagFixed1 || bytes[at + 9] !== tagNumber) return false;
  view.toLow = bytes[at + 1]! + bytes[at + 2]! * 0x100 + bytes[at + 3]! * 0x10000 + bytes[at + 4]! * 0x1000000;
  view.toHigh = bytes[at + 5]! + bytes[at + 6]! * 0x100 + bytes[at + 7]! * 0x10000 + bytes[at + 8]! * 0x1000000;
  view.tailStart = at + 9;
  cursor.at = at + 10;
  view.number = readVarint(bytes, end, cursor);
  if (view.number < 1 || (view.toLow | view.toHigh) === 0) return false;
  if (bytes[cursor.at] === tagSentAt) {
    cursor.at++;
    if (readVarint(bytes, end, cursor) < 0) return false;
  }
  view.tailEnd = end;
  view.bodyBytes = 0;
  view.text = 'ok';
  if (cursor.at === end) return true;
  if (bytes[cursor.at] !== tagBody) return false;
  cursor.at++;
  view.bodyBytes = readVarint(bytes, end, cursor);
  at = cursor.at;
  if (view.bodyBytes !== end - at) return false;
  // A body that is not UTF-8 would stop the decoders of other languages at the recipient.
  if (!isShortAscii(bytes, at, end) && !isUtf8(bytes.subarray(at, end))) view.text = 'not_utf8';
  return true;
}

const shortBytes = 512;
const highBits = 0x80808080;

// The memory of the Buffer that was looked at last. Asking a Buffer for it takes longer than reading a short message, so that
// is done once for all messages of a read.
let seen: Buffer = Buffer.alloc(0);
let seenMemory: DataView = new DataView(seen.buffer);
let seenOffset = 0;

/** True for what needs no further look; a call of isUtf8 takes as long as all else that is done with a short message. */
function isShortAscii(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > shortBytes) return false;
  if (bytes !== seen) {
    seen = bytes;
    seenOffset = bytes.byteOffset;
    if (seenMemory.buffer !== bytes.buffer) seenMemory = new DataView(bytes.buffer);
  }
  const memory = seenMemory;
  const stop = seenOffset + end;
  let at = seenOffset + start;
  let bits = 0;
  // A round costs more than what is done in it.
  for (; at + 16 <= stop; at += 16) {
    bits |= memory.getInt32(at, true) | memory.getInt32(at + 4, true);
    bits |= memory.getInt32(at + 8, true) | memory.getInt32(at + 12, true);
  }
  for (; at + 4 <= stop; at += 4) bits |= memory.getInt32(at, true);
  for (; at < stop; at++) bits |= memory.getUint8(at);
  return (bits & highBits) === 0;
}

/** A Frame with this Message as readMessage reads it. Throws bad_frame where recipient or number are missing. */
export function canonicalMessage(message: parley.Message.$Properties): Buffer {
  const { to, number, sentAtMs, body } = message;
  if (!to || !number) throw new ParleyError('bad_frame', 'A message needs a recipient and a number.');
  const canonical = { to, number, sentAtMs: sentAtMs || 0, body: body ?? '' };
  return Buffer.from(parley.Frame.encode({ message: canonical }).finish());
}

export function accountOf(view: MessageView): number {
  return view.toHigh * twoTo32 + view.toLow;
}

/** Reads a Frame that holds nothing but an Ack; -1 for every other shape. */
export function readAck(bytes: Buffer, start: number, end: number): number {
  if (bytes[start] !== tagAck || bytes[start + 1] !== end - start - 2 || bytes[start + 2] !== tagVarint1) return -1;
  cursor.at = start + 3;
  const position = readVarint(bytes, end, cursor);
  return cursor.at === end ? position : -1;
}

/** What every Deliver of one outbox has in common: from, outbox, from_name, encoded. */
export function senderPrefix(from: number, outbox: Uint8Array, name: string): Buffer {
  const nameBytes = Buffer.from(name);
  const prefix = Buffer.alloc(9 + 2 + outbox.length + 2 + nameBytes.length);
  let at = writeFixed(prefix, 0, tagFixed2, from);
  prefix[at++] = tagBytes3;
  prefix[at++] = outbox.length;
  prefix.set(outbox, at);
  at += outbox.length;
  prefix[at++] = tagString4;
  prefix[at++] = nameBytes.length;
  prefix.set(nameBytes, at);
  return prefix;
}

function writeFixed(bytes: Buffer, at: number, tag: number, value: number): number {
  bytes[at] = tag;
  const low = value % twoTo32;
  const high = (value - low) / twoTo32;
  bytes.writeUInt32LE(low, at + 1);
  bytes.writeUInt32LE(high, at + 5);
  return at + 9;
}

/** How many bytes writeDeliver will need at most. */
export function deliverRoom(prefix: Buffer, tailBytes: number): number {
  return lengthBytes + 1 + 5 + 9 + prefix.length + 9 + tailBytes;
}

/** Writes a whole frame (with its length) with a Deliver made of these parts; returns where it ended. */
export function writeDeliver(
  to: Buffer,
  at: number,
  position: number,
  prefix: Buffer,
  receivedAtMs: number,
  from: Buffer,
  tailStart: number,
  tailEnd: number,
): number {
  const tailBytes = tailEnd - tailStart;
  const inner = 1 + varintBytes(position) + prefix.length + 1 + varintBytes(receivedAtMs) + tailBytes;
  const outer = 1 + varintBytes(inner) + inner;
  to[at] = outer >>> 24;
  to[at + 1] = outer >>> 16;
  to[at + 2] = outer >>> 8;
  to[at + 3] = outer;
  to[at + 4] = tagDeliver;
  let next = writeVarint(to, at + 5, inner);
  to[next++] = tagVarint1;
  next = writeVarint(to, next, position);
  to.set(prefix, next);
  next += prefix.length;
  to[next++] = tagVarint5;
  next = writeVarint(to, next, receivedAtMs);
  from.copy(to, next, tailStart, tailEnd);
  return next + tailBytes;
}

/** The longest Accepted or Stored frame. */
export const receiptRoom = lengthBytes + 2 + 9 + 9;

/** Writes a whole frame with Accepted or Stored { to, number }; returns where it ended. */
export function writeReceipt(
  to: Buffer,
  at: number,
  kind: 'accepted' | 'stored',
  account: number,
  number: number,
): number {
  to[at + 4] = kind === 'accepted' ? tagAccepted : tagStored;
  let next = writeFixed(to, at + 6, tagFixed1, account);
  to[next++] = tagVarint2;
  next = writeVarint(to, next, number);
  to[at + 5] = next - at - 6;
  to.writeUInt32BE(next - at - lengthBytes, at);
  return next;
}

/** What the center reads of a Deliver that it wrote itself, back from the store. */
export interface DeliverView {
  position: number;
  from: number;
  outboxStart: number;
  outboxEnd: number;
  number: number;
}

const deliverView: DeliverView = { position: 0, from: 0, outboxStart: 0, outboxEnd: 0, number: 0 };

/**
 * Reads a Frame{deliver}, whose fields are in ascending order; the view is only good until the next call.
 * Throws on bytes that are not one: the store's checksums let none through.
 */
export function readDeliver(bytes: Buffer, start: number, end: number): DeliverView {
  const view = deliverView;
  cursor.at = start + 1;
  view.position = 0;
  view.from = 0;
  view.outboxStart = 0;
  view.outboxEnd = 0;
  view.number = 0;
  if (bytes[start] !== tagDeliver || readVarint(bytes, end, cursor) !== end - cursor.at) throw notDeliver();
  if (bytes[cursor.at] === tagVarint1) {
    cursor.at++;
    view.position = readVarint(bytes, end, cursor);
  }
  if (bytes[cursor.at] === tagFixed2) {
    view.from = bytes.readUInt32LE(cursor.at + 5) * twoTo32 + bytes.readUInt32LE(cursor.at + 1);
    cursor.at += 9;
  }
  if (bytes[cursor.at] === tagBytes3) {
    cursor.at++;
    const length = readVarint(bytes, end, cursor);
    view.outboxStart = cursor.at;
    view.outboxEnd = cursor.at + length;
    cursor.at = view.outboxEnd;
  }
  if (bytes[cursor.at] === tagString4) {
    cursor.at++;
    const length = readVarint(bytes, end, cursor);
    cursor.at += length;
  }
  if (bytes[cursor.at] === tagVarint5) {
    cursor.at++;
    readVarint(bytes, end, cursor);
  }
  if (bytes[cursor.at] === tagNumber) {
    cursor.at++;
    view.number = readVarint(bytes, end, cursor);
  }
  if (view.position <= 0 || view.number <= 0 || view.outboxEnd > end) throw notDeliver();
  return view;
}

function notDeliver(): Error {
  return new Error('the store holds a frame that is not a Deliver');
}
