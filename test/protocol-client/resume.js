// A peer that comes back with a ticket, written from docs/protocol.md alone: nothing of Parley's is imported.
//   PASSWORD=summerisover node resume.js HOST PORT NAME
// Registers NAME, sends itself a message, drops the connection, and reads it over a second one that it resumes by ticket.
import * as crypto from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import protobuf from 'protobufjs';

const [host, port, name] = process.argv.slice(2);
const proto = protobuf.parse(readFileSync(new URL('../../shared/protocol.proto', import.meta.url), 'utf8'));
const Frame = proto.root.lookupType('parley.Frame');
const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest();
const key = crypto.generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const keyDer = key.publicKey.export({ type: 'spki', format: 'der' });
const outbox = crypto.randomBytes(16);

// --- sections 1 to 3: a connection, frames, the peer's Hello ------------------------------------------
async function begin(psk) {
  const options = { host, port, ALPNProtocols: ['parley/1'], minVersion: 'TLSv1.3', rejectUnauthorized: false };
  const socket = connect({ ...options, ...(psk && { pskCallback: () => psk }) });
  await once(socket, 'secureConnect');
  const [nonce, frames, waiting] = [crypto.randomBytes(32), [], []];
  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 4 && received.length >= 4 + received.readUInt32BE()) {
      const length = received.readUInt32BE();
      const decoded = Frame.decode(received.subarray(4, 4 + length));
      frames.push(Frame.toObject(decoded, { longs: Number, defaults: true, oneofs: true }));
      received = received.subarray(4 + length);
    }
    for (const look of waiting.splice(0)) look();
  });
  const send = (body) => {
    const bytes = Frame.encode(body).finish();
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    socket.write(Buffer.concat([length, bytes]));
  };
  const sees = async (body) => {
    for (;;) {
      const found = frames.find((frame) => frame.body === body);
      const error = frames.find((frame) => frame.body === 'error');
      if (found) return found[body];
      if (error) throw new Error(error.error.text);
      await new Promise((resolve) => waiting.push(resolve));
    }
  };
  send({ hello: { version: 1, oldestVersion: 1, software: 'resume.js', nonce } });
  return { socket, nonce, send, sees };
}

// --- the first connection: section 3's checks, and a signature ----------------------------------------
const first = await begin();
const center = await first.sees('hello');
const identity = crypto.createPublicKey({ key: center.identityKey, format: 'der', type: 'spki' });
const exporter = first.socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding');
const binding = [center.centerId, sha256(center.identityKey), first.nonce, center.nonce, exporter];
const proof = (label) => Buffer.concat([Buffer.from(`${label}\0`), ...binding]);
if (
  !first.socket.getPeerX509Certificate().publicKey.equals(identity) ||
  !crypto.verify('sha256', proof('parley center 1'), identity, center.identitySignature)
) {
  throw new Error('this is not the center that it should be');
}
const signature = crypto.sign('sha256', proof('parley peer 1'), key.privateKey);
first.send({ request: 1, register: { name, password: process.env.PASSWORD, key: keyDer, signature } });
const { token, ticket, account } = await first.sees('welcome');
console.log(`account ${account}`);
first.send({ request: 2, attach: { outbox, hold: true } });
await first.sees('attached');
first.send({ message: { to: account, number: 1, sentAtMs: Date.now(), body: 'Hello again.' } });
await first.sees('accepted');
first.socket.destroy();

// --- the second: section 4, Tickets -------------------------------------------------------------------
const shared = crypto.diffieHellman({ privateKey: key.privateKey, publicKey: identity });
const secret = Buffer.from(crypto.hkdfSync('sha256', shared, sha256(token), 'parley ticket 1', 32));
const psk = crypto.createHmac('sha256', secret).update('parley tls psk 1').digest();
const second = await begin({ identity: ticket, psk });
second.send({ request: 1, resume: { token, key: keyDer, attach: { outbox } } });
console.log(second.socket.isSessionReused() ? 'by ticket' : 'by certificate');
const again = await second.sees('hello');
if (!again.identityKey.equals(center.identityKey) || !again.centerId.equals(center.centerId)) {
  throw new Error('this is another center');
}
const welcome = await second.sees('welcome');
console.log(`account ${welcome.account}, ${welcome.attached.highestNumber} sent, ${welcome.attached.waiting} waiting`);
console.log(welcome.token === token && welcome.ticket === '' ? 'the same token and ticket' : 'others');
const { body, position } = await second.sees('deliver');
second.send({ ack: { position } });
console.log(`<${name}>: ${body}`);
second.send({ request: 2, logout: {} });
await second.sees('done');
second.socket.end();
