// A certificate authority of one test, and a certificate of it.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const lifetimeMs = 3_600_000;

/** All PEM; key and cert are for this IP address. */
export async function certificates(address: string): Promise<{ authority: string; key: string; cert: string }> {
  const own = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const issuer = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const dates = { notBefore: new Date(Date.now() - lifetimeMs), notAfter: new Date(Date.now() + lifetimeMs) };
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...dates,
    name: 'CN=Test authority',
    keys: issuer,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const cert = await x509.X509CertificateGenerator.create({
    ...dates,
    subject: 'CN=A center',
    issuer: authority.subject,
    publicKey: own.publicKey,
    signingKey: issuer.privateKey,
    signingAlgorithm: algorithm,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: address }])],
  });
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', own.privateKey);
  const key = x509.PemConverter.encode(pkcs8, 'PRIVATE KEY');
  return { authority: authority.toString('pem'), key, cert: cert.toString('pem') };
}
