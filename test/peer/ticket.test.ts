// What a peer comes back with, from one Welcome to the next.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import { dial } from '../../peer/socket.ts';
import { nextPass, type Ticket } from '../../peer/ticket.ts';
import { generateKey, publicDer } from '../../shared/identity.ts';
import { ticketSecret } from '../../shared/ticket.ts';
import { codeOf } from '../helpers/peers.ts';

describe('what a session is continued with', () => {
  const key = generateKey();
  const identityKey = publicDer(generateKey());
  const next = (welcome: { token: string; ticket: string }, before?: ReturnType<typeof nextPass>) =>
    nextPass(welcome, key, identityKey, before);

  it('is the ticket of the last Welcome that had one, for as long as the token is the same', () => {
    const first = next({ token: 'one', ticket: 'first' });
    expect(first.ticket).to.include({ text: 'first', isGood: true });
    expect(first.ticket?.secret).to.deep.equal(ticketSecret(key, identityKey, 'one'));
    expect(next({ token: 'one', ticket: '' }, first).ticket).to.equal(first.ticket);
    expect(next({ token: 'two', ticket: '' }, first)).to.deep.equal({ key, token: 'two', ticket: null });
    expect(next({ token: 'two', ticket: 'second' }, first).ticket?.secret).to.deep.equal(
      ticketSecret(key, identityKey, 'two'),
    );
  });

  it('is a signature where TLS could not send the ticket', () => {
    expect(next({ token: 'one', ticket: 'A'.repeat(128) }).ticket).not.to.equal(null);
    for (const ticket of ['A'.repeat(129), 'A'.repeat(5000), 'a b', 'A\0B', 'ü', '\ud800', '\n']) {
      expect(next({ token: 'one', ticket })).to.deep.equal({ key, token: 'one', ticket: null });
    }
  });

  it('is a signature after TLS with the ticket has failed, or met silence twice', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const dialled = (ticket: Ticket | null) => codeOf(dial({ host: '127.0.0.1', port, ticket, timeoutMs: 1000 }));
    const { ticket } = next({ token: 'one', ticket: 'first' });
    for (const isGood of [true, false]) {
      expect(await dialled(ticket)).to.equal('timeout');
      expect(ticket?.isGood).to.equal(isGood);
    }
    silent.on('connection', (socket) => socket.end('no TLS at all'));
    const { ticket: second } = next({ token: 'one', ticket: 'second' });
    expect(await dialled(second)).to.equal('disconnected');
    expect(second?.isGood).to.equal(false);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
});
