import { createHash, ECDH, generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  type Binding,
  centerProof,
  fingerprint,
  generateKey,
  peerProof,
  publicDer,
  readPublicKey,
  sameBytes,
  signProof,
  verifyProof,
} from '../../shared/identity.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const bindings: fc.Arbitrary<Binding> = fc.record({
  centerId: bytes(16),
  identityKey: bytes(91),
  peerNonce: bytes(32),
  centerNonce: bytes(32),
  exporter: fc.oneof(bytes(0), bytes(32)),
});

function spki(named: string): Buffer {
  return generateKeyPairSync('ec', { namedCurve: named }).publicKey.export({ type: 'spki', format: 'der' });
}

describe('identity', () => {
  describe('keys', () => {
    it('travel as DER and come back the same', () => {
      const key = generateKey();
      const der = publicDer(key);
      expect(der).to.have.length(91);
      expect(publicDer(readPublicKey(der)).equals(der)).to.equal(true);
    });

    it('have a fingerprint as SSH shows it', () => {
      expect(fingerprint(Buffer.from('abc'))).to.equal('SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0');
    });

    it('of other kinds are refused', () => {
      const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
      const others = [
        spki('secp384r1'),
        spki('secp256k1'),
        rsa.export({ type: 'spki', format: 'der' }),
        generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }),
        Buffer.alloc(0),
        Buffer.alloc(91),
      ];
      for (const der of others) expect(() => readPublicKey(der)).to.throw();
    });

    it('have one encoding: nothing appended, no compressed or hybrid point', () => {
      const der = publicDer(generateKey());
      const point = der.subarray(26);
      const encoded = (form: 'compressed' | 'hybrid') =>
        ECDH.convertKey(point, 'prime256v1', undefined, undefined, form) as Buffer;
      const compressed = Buffer.concat([
        Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
        encoded('compressed'),
      ]);
      const hybrid = Buffer.concat([der.subarray(0, 26), encoded('hybrid')]);
      for (const other of [compressed, hybrid, Buffer.concat([der, Buffer.from([0])])]) {
        expect(() => readPublicKey(other)).to.throw();
      }
    });

    it('with a point that is not on the curve are refused', () => {
      const der = Buffer.from(publicDer(generateKey()));
      der[90] = (der[90] ?? 0) ^ 1;
      expect(() => readPublicKey(der)).to.throw();
    });
  });

  it('sameBytes compares contents and lengths', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        expect(sameBytes(a, b)).to.equal(Buffer.from(a).equals(b));
        expect(sameBytes(a, Uint8Array.from(a))).to.equal(true);
      }),
    );
  });

  describe('proofs', () => {
    it('differ wherever their bindings or sides differ', () => {
      fc.assert(
        fc.property(
          bindings,
          fc.constantFrom<keyof Binding>('centerId', 'identityKey', 'peerNonce', 'centerNonce'),
          (binding, field) => {
            const other = Uint8Array.from(binding[field]);
            other[0] = (other[0] ?? 0) ^ 1;
            expect(peerProof({ ...binding, [field]: other }).equals(peerProof(binding))).to.equal(false);
            expect(centerProof(binding).equals(peerProof(binding))).to.equal(false);
          },
        ),
      );
    });

    it('over TLS are not those without', () => {
      fc.assert(
        fc.property(bindings, (binding) => {
          const plain = peerProof({ ...binding, exporter: new Uint8Array() });
          const overTls = peerProof({ ...binding, exporter: new Uint8Array(32) });
          expect(plain.equals(overTls)).to.equal(false);
        }),
      );
    });

    it('are the bytes that other languages have to make', () => {
      const binding = {
        centerId: new Uint8Array(16).fill(1),
        identityKey: new Uint8Array(91).fill(2),
        peerNonce: new Uint8Array(32).fill(3),
        centerNonce: new Uint8Array(32).fill(4),
        exporter: new Uint8Array(32).fill(5),
      };
      const expected = Buffer.concat([
        Buffer.from('parley peer 1\0', 'latin1'),
        binding.centerId,
        createHash('sha256').update(binding.identityKey).digest(),
        binding.peerNonce,
        binding.centerNonce,
        binding.exporter,
      ]);
      expect(peerProof(binding).equals(expected)).to.equal(true);
    });

    it('are verified with the key that signed them and no other', () => {
      const key = generateKey();
      const proof = Buffer.from('proof');
      const signature = signProof(key, proof);
      const altered = Buffer.from(signature);
      altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
      expect(verifyProof(publicDer(key), proof, signature)).to.equal(true);
      expect(verifyProof(publicDer(generateKey()), proof, signature)).to.equal(false);
      expect(verifyProof(publicDer(key), Buffer.from('other'), signature)).to.equal(false);
      expect(verifyProof(publicDer(key), proof, altered)).to.equal(false);
      expect(verifyProof(publicDer(key), proof, Buffer.alloc(0))).to.equal(false);
    });

    it('are never verified by what is not a key', () => {
      const signature = signProof(generateKey(), Buffer.from('proof'));
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 120 }), (der) => {
          expect(verifyProof(der, Buffer.from('proof'), signature)).to.equal(false);
        }),
      );
    });
  });
});
