import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { OwnPort } from '../../peer/own-port.ts';
import { codeOf } from '../helpers/peers.ts';

describe('a peer’s own port', () => {
  const ignore = (): void => undefined;

  it('lets others in while it is open', async () => {
    const accepted = Promise.withResolvers<Socket>();
    const port = new OwnPort({ host: '127.0.0.1', port: 0 }, accepted.resolve);
    expect([port.number, port.addresses]).to.deep.equal([0, []]);
    await port.open();
    expect(port.addresses).to.deep.equal(['127.0.0.1']);
    const { number } = port;
    const socket = connect(number, '127.0.0.1');
    (await accepted.promise).destroy();
    socket.destroy();
    port.close();
    port.close();
    expect([port.number, port.addresses]).to.deep.equal([0, []]);
    const late = connect(number, '127.0.0.1');
    const [error] = await once(late, 'error');
    expect(error.code).to.equal('ECONNREFUSED');
  });

  it('is none where none was asked for', async () => {
    const port = new OwnPort(null, ignore);
    await port.open();
    expect([port.number, port.addresses]).to.deep.equal([0, []]);
  });

  it('says so where another has it', async () => {
    const one = new OwnPort({ host: '127.0.0.1', port: 0 }, ignore);
    await one.open();
    const other = new OwnPort({ host: '127.0.0.1', port: one.number }, ignore);
    expect(await codeOf(other.open())).to.equal('bad_address');
    expect(other.number).to.equal(0);
    one.close();
  });
});
