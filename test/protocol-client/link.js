// A private link in under 200 lines, written from docs/protocol.md alone: nothing of Parley's is imported.
//   PASSWORD=summerisover node link.js HOST PORT NAME OTHER
// Registers NAME, asks OTHER for a link, dials it. Each line of input is a private message, or `verify`.
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import protobuf from 'protobufjs';

const [host, port, name, other] = process.argv.slice(2);
const { root } = protobuf.parse(readFileSync(new URL('../../shared/protocol.proto', import.meta.url), 'utf8'));
const sha256 = (bytes) => createHash('sha256').update(bytes).digest();
const fingerprint = (der) => `SHA256:${sha256(der).toString('base64').replace('=', '')}`;
const exporterOf = (socket) => socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding');
const certifiedKey = (socket) => socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' });
const tls13 = { minVersion: 'TLSv1.3', ecdhCurve: 'X25519', rejectUnauthorized: false };
const key = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const keyDer = key.publicKey.export({ type: 'spki', format: 'der' });

// --- section 1: frames, of the center and of links --------------------------------------------------
/** Reads frames of a type off a stream; gives what writes one. */
function frames(stream, type, take) {
  let received = Buffer.alloc(0);
  stream.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 4 && received.length >= 4 + received.readUInt32BE()) {
      const end = 4 + received.readUInt32BE();
      const frame = type.toObject(type.decode(received.subarray(4, end)), {
        ...{ longs: Number, defaults: true, oneofs: true },
      });
      received = received.subarray(end);
      take(frame);
    }
  });
  return (frame) => {
    const bytes = type.encode(frame).finish();
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    stream.write(Buffer.concat([length, bytes]));
  };
}

// --- sections 2 to 5: logged in and attached ---------------------------------------------------------
const center = connect({ ...tls13, host, port, ALPNProtocols: ['parley/1'] });
center.on('close', () => process.exit());
const nonce = randomBytes(32);
const open = new Map();
const send = frames(center, root.lookupType('parley.Frame'), ({ request, body, ...frame }) => {
  const { resolve, reject } = open.get(request) ?? {};
  if (body === 'error') reject(Object.assign(new Error(frame.error.text), frame.error));
  else if (resolve) resolve(frame[body]);
  else if (body === 'hello') begin(frame.hello).catch(fail);
  else if (body === 'introduction') meet(frame.introduction);
  else if (body === 'linkEnd') console.log(`ended ${frame.linkEnd.code}`);
});
center.on('secureConnect', () => send({ hello: { version: 1, oldestVersion: 1, software: 'link.js', nonce } }));

function ask(body) {
  const request = open.size + 1;
  send({ request, ...body });
  return new Promise((resolve, reject) => open.set(request, { resolve, reject }));
}

let [hello, self] = [null, 0];
async function begin(theirs) {
  hello = theirs;
  const { centerId, identityKey, tokenKey, tokenKeySignature } = hello;
  const identity = createPublicKey({ key: identityKey, format: 'der', type: 'spki' });
  const vouched = Buffer.concat([Buffer.from('parley token key 1\0'), centerId, tokenKey]);
  if (!certifiedKey(center).equals(identityKey)) throw new Error('another key than that of the certificate');
  if (!verify('sha256', vouched, identity, tokenKeySignature)) throw new Error('the token key is somebody else’s');
  const proof = [Buffer.from('parley peer 1\0'), centerId, sha256(identityKey), nonce, hello.nonce, exporterOf(center)];
  const signature = sign('sha256', Buffer.concat(proof), key.privateKey);
  const { account } = await ask({ register: { name, password: process.env.PASSWORD, key: keyDer, signature } });
  self = account;
  await ask({ attach: { outbox: randomBytes(16) } });
  await ask({ getAddress: { name: other } });
  console.log('asked');
}

// --- section 11: what an introduction proves ---------------------------------------------------------
function judge(token, account, theirKey) {
  const [header, claims, signature] = token.split('.').map((part) => Buffer.from(part, 'base64url'));
  const tokenKey = createPublicKey({ key: hello.tokenKey, format: 'der', type: 'spki' });
  const signed = Buffer.from(token.slice(0, token.lastIndexOf('.')));
  const isSigned = verify('sha256', signed, { key: tokenKey, dsaEncoding: 'ieee-p1363' }, signature);
  const { alg, typ } = JSON.parse(header);
  const { iss, aud, exp, peers } = JSON.parse(claims);
  const names = (who, whose) => peers.some((peer) => peer.account === String(who) && peer.key === whose);
  const isFor = names(self, fingerprint(keyDer)) && names(account, theirKey) && account !== self;
  const isHere = iss === hello.centerId.toString('hex') && aud === 'parley-introduction' && exp * 1000 > hello.timeMs;
  return isSigned && alg === 'ES256' && typ === 'parley-introduction+jwt' && isHere && isFor && peers.length === 2;
}

/** A certificate for the key: X.509 by hand (RFC 5280), valid from 2000 to 2049. */
function certificate() {
  const der = (tag, ...parts) => {
    const content = Buffer.concat(parts);
    const size = content.length;
    const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
    return Buffer.concat([Buffer.from([tag, ...length]), content]);
  };
  const ecdsaSha256 = Buffer.from('300a06082a8648ce3d040302', 'hex');
  const common = der(0x30, der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('link')))));
  const dates = der(0x30, der(0x17, Buffer.from('000101000000Z')), der(0x17, Buffer.from('491231235959Z')));
  const tbs = der(0x30, Buffer.from('020101', 'hex'), ecdsaSha256, common, dates, common, keyDer);
  const signature = der(0x03, Buffer.from([0]), sign('sha256', tbs, key.privateKey));
  const text = der(0x30, tbs, ecdsaSha256, signature)
    .toString('base64')
    .match(/.{1,64}/g)
    .join('\n');
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
}

// --- section 12: the link ----------------------------------------------------------------------------
let isMet = false;
function meet({ account, key: theirKey, token, candidates }) {
  const [candidate] = candidates;
  if (isMet || !candidate) return;
  isMet = true;
  const keyPem = key.privateKey.export({ type: 'pkcs8', format: 'pem' });
  const to = { host: candidate.address, port: candidate.port, ALPNProtocols: ['parley-link/1'] };
  const socket = connect({ ...tls13, ...to, key: keyPem, cert: certificate() });
  socket.on('error', fail).on('close', () => center.end());
  let [isOpen, number, commit] = [false, 0, null];
  const ours = () => randomBytes(32);
  let run = { nonce: ours(), isCommitted: false };
  const write = frames(socket, root.lookupType('parley.LinkFrame'), ({ body, [body]: it }) => {
    if (!isOpen && body !== 'hello') return socket.destroy();
    if (body === 'hello') {
      if (!judge(it.token, account, theirKey)) return socket.destroy(new Error('the introduction is not good'));
      isOpen = true;
      console.log('linked');
      createInterface(process.stdin).on('line', (text) => {
        if (text === 'verify') commitOurs();
        else write({ message: { number: ++number, sentAtMs: Date.now(), body: text } });
      });
    } else if (body === 'message') {
      console.log(`(private) ${JSON.stringify(it.body)}`);
      write({ stored: { number: it.number } });
    } else if (body === 'stored') console.log(`stored ${it.number}`);
    else if (body === 'ping') write({ pong: { id: it.id } });
    else if (body === 'close') console.log(`closed ${it.code}`);
    else if (body === 'verifyCommit') {
      commit = it.hash;
      commitOurs();
      write({ verifyReveal: { nonce: run.nonce } });
    } else if (body === 'verifyReveal') {
      if (!sha256(it.nonce).equals(commit)) return socket.destroy(new Error('another nonce than was committed to'));
      console.log(`digits ${digits(it.nonce)}`);
      [run, commit] = [{ nonce: ours(), isCommitted: false }, null];
    }
  });
  const commitOurs = () => {
    if (!run.isCommitted) write({ verifyCommit: { hash: sha256(run.nonce) } });
    run.isCommitted = true;
  };
  const digits = (theirs) => {
    const sides = [
      { account: self, nonce: run.nonce, hash: sha256(keyDer) },
      { account, nonce: theirs, hash: sha256(certifiedKey(socket)) },
    ].sort((a, b) => a.account - b.account);
    const parts = [...sides.map((side) => side.nonce), ...sides.map((side) => side.hash), exporterOf(socket)];
    const sum = sha256(Buffer.concat([Buffer.from('parley verify 1\0'), ...parts]));
    return String(sum.readUIntBE(0, 6) % 1_000_000).padStart(6, '0');
  };
  socket.on('secureConnect', () => {
    if (fingerprint(certifiedKey(socket)) !== theirKey) socket.destroy(new Error('somebody else is there'));
    else write({ hello: { version: 1, software: 'link.js', token, outbox: randomBytes(16) } });
  });
}

function fail(error) {
  console.log(`error ${error.code ?? ''} ${error.message}`);
  center.end();
}
