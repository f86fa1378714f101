// docs/protocol.md against the code: what it lists is complete, and its test vector is what the code computes.
import { createHash, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import protobuf from 'protobufjs';
import { commands } from '../../center/commands/table.ts';
import { verificationDigits } from '../../peer/links/verification.ts';
import { errorCodes } from '../../shared/errors.ts';
import { encodeFrame } from '../../shared/frames.ts';
import { centerProof, peerProof, tokenKeyProof } from '../../shared/identity.ts';
import { ticketPsk, ticketSecret } from '../../shared/ticket.ts';

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}

describe('docs/protocol.md', () => {
  const page = read('docs/protocol.md');
  const { root } = protobuf.parse(read('shared/protocol.proto'));
  const frame = root.lookupType('parley.Frame');

  it('has every error code with its meaning, and no other', () => {
    const table = page.slice(page.indexOf('## 13.'), page.indexOf('## 14.'));
    const rows = [...table.matchAll(/^\| `(\w+)` \| (.*?) \|/gm)].map(([, code, meaning]) => [code, meaning]);
    expect(Object.fromEntries(rows)).to.deep.equal(errorCodes);
  });

  it('has every frame with its number, and no other', () => {
    const table = page.slice(page.indexOf('## 14.'));
    const rows = [...table.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, number, name]) => [name, Number(number)]);
    const bodies = frame.oneofs.body?.fieldsArray ?? [];
    expect(Object.fromEntries(rows)).to.deep.equal(Object.fromEntries(bodies.map(({ type, id }) => [type, id])));
  });

  it('has every request that the center answers, and no other', () => {
    const table = page.slice(page.indexOf('## 8.'), page.indexOf('## 9.'));
    const rows = [...table.matchAll(/^\| `(\w+)` \| `\w+` \|/gm)].map(([, name]) => name);
    const names = Object.keys(commands).map((name) => `${name.charAt(0).toUpperCase()}${name.slice(1)}`);
    expect(rows).to.have.members(names);
  });

  it('names every message and every limit of the contract', () => {
    const types = root.lookup('parley') as protobuf.Namespace;
    const limits = root.lookupType('parley.Limits').fieldsArray.map(({ name }) => snakeCase(name));
    const missing = [...types.nestedArray.map(({ name }) => name), ...limits].filter(
      (name) => !page.includes(`\`${name}\``),
    );
    expect(missing).to.deep.equal([]);
  });

  it('gives the bytes of a heartbeat', () => {
    const [, bytes] = /A heartbeat is\s+([0-9a-f ]+)\n/.exec(page) ?? [];
    expect(bytes?.replaceAll(' ', '')).to.equal(encodeFrame({ heartbeat: {} }).toString('hex'));
  });

  it('gives a vector that the proof strings fit', () => {
    const [key = '', ...proofs] = [
      ...page.slice(0, page.indexOf('### Tickets')).matchAll(/\n\n((?: {4}[0-9a-f]+\n)+)/g),
    ].map(([, hex = '']) => hex.replace(/\s/g, ''));
    const binding = {
      centerId: Buffer.from(Array.from({ length: 16 }, (_, index) => index)),
      identityKey: Buffer.from(key, 'hex'),
      peerNonce: Buffer.alloc(32, 1),
      centerNonce: Buffer.alloc(32, 2),
      exporter: Buffer.alloc(32, 3),
    };
    const tokenKey = tokenKeyProof(binding.centerId, binding.identityKey);
    expect(proofs).to.deep.equal([centerProof(binding), peerProof(binding), tokenKey].map(sha256));
  });

  it('gives a vector that tickets fit', () => {
    const tickets = page.slice(page.indexOf('### Tickets'));
    const [secret, psk] = [...tickets.matchAll(/\n {4}([0-9a-f]{64})\n/g)].map(([, hex]) => hex);
    const [key = ''] = /(?: {4}[0-9a-f]+\n)+/.exec(page.slice(page.indexOf('A vector to test with'))) ?? [];
    const d = Buffer.alloc(32, 4);
    const sec1 = Buffer.concat([
      Buffer.from('30310201010420', 'hex'),
      d,
      Buffer.from('a00a06082a8648ce3d030107', 'hex'),
    ]);
    const peerKey = createPrivateKey({ key: sec1, format: 'der', type: 'sec1' });
    const computed = ticketSecret(peerKey, Buffer.from(key.replace(/\s/g, ''), 'hex'), 'a token');
    expect(computed.toString('hex')).to.equal(secret);
    expect(ticketPsk(computed).toString('hex')).to.equal(psk);
  });

  it('has every frame of a link by its name, and no other', () => {
    const table = page.slice(page.indexOf('| in `LinkFrame` |'), page.indexOf('**Hello.** `LinkHello'));
    const rows = [...table.matchAll(/^\| (`\w+`(?:, `\w+`)*) \| (`\w+`(?:, `\w+`)*) \|/gm)];
    const words = (cell = '') => [...cell.matchAll(/`(\w+)`/g)].map(([, word]) => word);
    const bodies = root.lookupType('parley.LinkFrame').oneofs.body?.fieldsArray ?? [];
    expect(rows.flatMap(([, fields]) => words(fields))).to.deep.equal(bodies.map(({ name }) => snakeCase(name)));
    expect(rows.flatMap(([, , types]) => words(types))).to.deep.equal(bodies.map(({ type }) => type));
  });

  it('gives a vector that the digits of a verification fit', () => {
    const [, digits] = /the digits\s+are `(\d{6})`/.exec(page) ?? [];
    const side = (account: number, nonce: number, key: number) => ({
      account,
      nonce: Buffer.alloc(32, nonce),
      key: `SHA256:${Buffer.alloc(32, key).toString('base64').replace('=', '')}`,
    });
    const [smaller, larger] = [side(7, 1, 3), side(9, 2, 4)];
    const exporter = Buffer.alloc(32, 5);
    expect(verificationDigits(smaller, larger, exporter)).to.equal(digits);
    expect(verificationDigits(larger, smaller, exporter)).to.equal(digits);
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
