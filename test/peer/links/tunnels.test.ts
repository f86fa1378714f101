import { Duplex } from 'node:stream';
import { expect } from 'chai';
import { Tunnels } from '../../../peer/links/tunnels.ts';
import { secureLink } from '../../../peer/socket.ts';
import { selfSigned } from '../../../shared/certificate.ts';
import { ParleyError } from '../../../shared/errors.ts';
import { generateKey } from '../../../shared/identity.ts';
import { ScriptedCenter } from '../../helpers/scripted-center.ts';

describe('the tunnels of a connection', () => {
  it('take what the center says in one piece with the word that one is open', async () => {
    const { center, connection } = await ScriptedCenter.connected();
    const tunnels = new Tunnels();
    tunnels.attach(connection);
    connection.handle({ onFrame: (frame) => tunnels.take(frame), onClose: () => undefined });
    const opening = [tunnels.open(2), tunnels.open(3)];
    const requests = [await center.sees('tunnelOpen'), await center.sees('tunnelOpen')].map(({ request }) => request);
    center.says(
      { request: requests[0]!, tunnelOpened: { tunnel: 1, creditBytes: 1000 } },
      { tunnelData: { tunnel: 1, data: Buffer.from('Hello') } },
      { request: requests[1]!, tunnelOpened: { tunnel: 2, creditBytes: 1000 } },
      { tunnelClose: { tunnel: 2 } },
    );
    const [one, two] = await Promise.all(opening);
    expect(String(one!.read())).to.equal('Hello');
    expect(two!.destroyed).to.equal(true);
    connection.close(new ParleyError('cancelled', 'done'));
  });

  it('are not secured when they are closed already, and nobody waits for it', async () => {
    const closed = new Duplex().destroy();
    const failed = await secureLink(closed, 'client', await selfSigned(generateKey())).catch((error) => error);
    expect(failed).to.include({ message: 'The link could not be secured: it was closed.' });
  });
});
