// A peer in under 100 lines, written from docs/protocol.md alone: nothing of Parley's is imported.
//   PASSWORD=summerisover [FINGERPRINT=SHA256:…] node client.js HOST PORT NAME
// Registers NAME, or logs in. Each line of input, `TO TEXT`, is a message; what comes is printed and acknowledged.
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import protobuf from 'protobufjs';

const [host, port, name] = process.argv.slice(2);
const proto = protobuf.parse(readFileSync(new URL('../../shared/protocol.proto', import.meta.url), 'utf8'));
const Frame = proto.root.lookupType('parley.Frame');

const socket = connect({ host, port, ALPNProtocols: ['parley/1'], minVersion: 'TLSv1.3', rejectUnauthorized: false });
socket.on('error', report);
socket.on('close', () => process.exit());

// --- sections 1 and 2: frames, requests --------------------------------------------------------------
const open = new Map(); // request id → what waits for its reply
let [lastRequest, lastSentMs, received] = [0, 0, Buffer.alloc(0)];

function send(body, request = 0) {
  const bytes = Frame.encode({ request, ...body }).finish();
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  socket.write(Buffer.concat([length, bytes]));
  lastSentMs = Date.now();
}

function ask(body) {
  send(body, ++lastRequest);
  return new Promise((resolve, reject) => open.set(lastRequest, { resolve, reject }));
}

socket.on('data', (chunk) => {
  received = Buffer.concat([received, chunk]);
  while (received.length >= 4 && received.length >= 4 + received.readUInt32BE()) {
    const length = received.readUInt32BE();
    const decoded = Frame.decode(received.subarray(4, 4 + length));
    const frame = Frame.toObject(decoded, { longs: Number, defaults: true, oneofs: true });
    received = received.subarray(4 + length);
    if (frame.request === 0) take(frame);
    else if (frame.body === 'error') open.get(frame.request).reject(frame.error);
    else open.get(frame.request).resolve(frame[frame.body]);
  }
});

// --- section 3: Hello and proofs --------------------------------------------------------------------
const sha256 = (bytes) => createHash('sha256').update(bytes).digest();
const nonce = randomBytes(32);
const key = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const keyDer = key.publicKey.export({ type: 'spki', format: 'der' });

function proof(label, { centerId, identityKey, nonce: centerNonce }) {
  const exporter = socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding');
  return Buffer.concat([Buffer.from(`${label}\0`), centerId, sha256(identityKey), nonce, centerNonce, exporter]);
}

async function begin(hello) {
  const identity = createPublicKey({ key: hello.identityKey, format: 'der', type: 'spki' });
  const fingerprint = `SHA256:${sha256(hello.identityKey).toString('base64').replace('=', '')}`;
  const certified = socket.getPeerX509Certificate().publicKey.equals(identity);
  const signed = verify('sha256', proof('parley center 1', hello), identity, hello.identitySignature);
  const pinned = fingerprint === (process.env.FINGERPRINT ?? fingerprint);
  console.log(`fingerprint ${fingerprint}`);
  if (!certified || !signed || !pinned) throw new Error('this is not the center that it should be');
  const signature = sign('sha256', proof('parley peer 1', hello), key.privateKey);
  const login = { name, password: process.env.PASSWORD, key: keyDer, signature };
  const welcome = await ask({ register: login }).catch(() => ask({ login }));
  const { waiting } = await ask({ attach: { outbox: randomBytes(16) } });
  console.log(`welcome ${welcome.name}, ${waiting} waiting`);
  setInterval(() => Date.now() - lastSentMs >= hello.limits.heartbeatMs - 1000 && send({ heartbeat: {} }), 1000);
  let number = 0;
  for await (const line of createInterface(process.stdin)) {
    const [, to, body] = /^(\S+) (.*)$/.exec(line) ?? [];
    const { account } = await ask({ lookup: { name: to ?? '' } }).catch(report);
    if (account) send({ message: { to: account, number: ++number, sentAtMs: Date.now(), body } });
  }
  await ask({ logout: {} });
}

// --- sections 6 and 7: what comes by itself -----------------------------------------------------------
function take({ body, [body]: it }) {
  if (body === 'hello') begin(it).catch((error) => report(error) && socket.end());
  else if (body === 'error') report(it);
  else if (body === 'presence') for (const who of it.changes) console.log(who.name, who.online ? 'on' : 'off');
  else if (body === 'deliver') {
    console.log(`<${it.fromName}>: ${JSON.stringify(it.body)}`);
    send({ ack: { position: it.position } });
  } else console.log(`${body} ${it.number ?? ''} ${it.error?.code ?? ''}`.trim());
}

function report(error) {
  console.log(`error ${error.code ?? ''} ${error.text ?? error.message}`);
  return error;
}

socket.on('secureConnect', () => send({ hello: { version: 1, oldestVersion: 1, software: 'client.js', nonce } }));
