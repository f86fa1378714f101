// Certificates that a key signs itself: whoever connects checks the key, so the rest says nothing.
import { createPublicKey, type KeyObject } from 'node:crypto';

/** PEM of the key and of a certificate for it, good for TLS as client and server. name: its common name. */
export async function selfSigned(key: KeyObject, name = 'parley'): Promise<{ key: string; cert: string }> {
  // Loaded here: this happens once in the life of a key, and these are slow to load.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys: {
      privateKey: key.toCryptoKey(algorithm, true, ['sign']),
      publicKey: createPublicKey(key).toCryptoKey(algorithm, true, ['verify']),
    },
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    // Peers pin the key; dates would only lock them out, be it by a wrong clock. The end is RFC 5280's "none", 4.1.2.5.
    notBefore: new Date('2000-01-01T00:00:00Z'),
    notAfter: new Date('9999-12-31T23:59:59Z'),
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
    ],
  });
  return {
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `${certificate.toString('pem')}\n`,
  };
}
