import { expect } from 'chai';
import { codeOf } from '../helpers/peers.ts';
import { ScriptedCenter } from '../helpers/scripted-center.ts';

describe('what comes before anybody handles it', () => {
  it('is kept up to 16 MiB: of news the rest is left out, anything else ends the connection', async () => {
    const { center, connection } = await ScriptedCenter.connected();
    const body = 'x'.repeat(1_000_000);
    const fenced = connection.request({ heartbeat: {} });
    for (let i = 0; i < 20; i++) center.says({ broadcastDeliver: { from: 1, fromName: 'seas', body } });
    await center.answers('heartbeat', { done: {} });
    await fenced;
    const asked = codeOf(connection.request({ heartbeat: {} }));
    center.says({ deliver: { from: 1, fromName: 'seas', number: 1, position: 1, body } });
    await center.answers('heartbeat', { done: {} });
    expect(await asked).to.equal('disconnected');
    const kept: unknown[] = [];
    connection.handle({ onFrame: (frame) => kept.push(frame.body), onClose: () => undefined });
    expect(kept).to.deep.equal(Array.from({ length: 16 }, () => 'broadcastDeliver'));
  });
});
