// One peer of the self-test, in a process of its own that can be killed at any moment: what it was told and what it
// showed is in its ledger before anything else is done with it.
import { subscribe } from 'node:diagnostics_channel';
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { PeerEvent } from '../../peer/events.ts';
import { Peer } from '../../peer/index.ts';
import type { FromPeer, PeerOrders, ToPeer } from './orders.ts';

const retryMs = 100;

/** The peer's direct links: all its sockets but the one to the center. */
class DirectLinks {
  readonly #sockets = new Set<Socket>();
  #noneUntilMs = 0;

  constructor(centerPort: number) {
    subscribe('net.server.socket', (message) => this.#watch((message as { socket: Socket }).socket));
    subscribe('net.client.socket', (message) => {
      const { socket } = message as { socket: Socket };
      socket.once('connect', () => socket.remotePort !== centerPort && this.#watch(socket));
    });
  }

  #watch(socket: Socket): void {
    if (performance.now() < this.#noneUntilMs) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  cut(forMs: number): void {
    this.#noneUntilMs = performance.now() + forMs;
    for (const socket of this.#sockets) socket.destroy();
  }
}

function tell(report: FromPeer): void {
  // The parent may be gone: then this process ends as well.
  if (process.connected) process.send?.(report);
}

async function run(orders: PeerOrders): Promise<void> {
  const ledger = openSync(orders.ledger, 'a');
  const directLinks = new DirectLinks(orders.port);
  const peer = new Peer({
    host: '127.0.0.1',
    port: orders.port,
    dataDir: orders.dataDir,
    plain: orders.plain,
    ...(orders.listens ? { listen: { host: '127.0.0.1', port: 0 } } : {}),
  });
  let lines = '';
  const write = (line: string): void => {
    lines += `${line}\n`;
  };
  peer.on((event: PeerEvent) => {
    if (event.type === 'message') write(`${event.message.again ? 'again' : 'shown'} ${event.message.text}`);
    else if (event.type === 'accepted' || event.type === 'stored') write(`accepted ${event.message.text}`);
    else if (event.type === 'failed') write(`failed ${event.code} ${event.message.text}`);
    else if (event.type === 'link') write(`link ${event.state} ${event.route}`);
    else if (event.type === 'ended') write(`ended ${event.code}`);
    else return;
    // A terminal would have it on the screen by now.
    writeSync(ledger, lines);
    lines = '';
  });
  let entered = false;
  process.on('message', (order: ToPeer) => {
    if (order.act === 'quit') void quit(peer, ledger);
    else if (order.act === 'cutLinks') directLinks.cut(order.forMs);
    else if (!entered) return;
    else if (order.act === 'send') {
      for (const { to, text, private: isPrivate } of order.messages) {
        const sent = isPrivate ? peer.private(to, text, { until: 'outbox' }) : peer.send(to, text, { until: 'outbox' });
        // What does not get into the outbox was promised to nobody.
        sent.catch(() => undefined);
      }
    } else if (order.act === 'allow') void allow(peer, order.name);
    else tell({ pending: peer.outbox().length });
  });
  await enter(peer, orders);
  entered = true;
  tell({ online: true });
}

/** Registers the first time, resumes after; for as long as it takes the center to be there. */
async function enter(peer: Peer, { name, password, isNew }: PeerOrders): Promise<void> {
  let register = isNew;
  let resume = !isNew;
  for (;;) {
    try {
      if (register) await peer.register(name, password);
      else if (resume) await peer.resume(name);
      else await peer.login(name, password);
      return;
    } catch (error) {
      const { code } = error as { code?: string };
      // The center died between the account and the answer.
      if (code === 'name_taken') register = false;
      else if (code !== 'disconnected' && code !== 'timeout' && code !== 'shutting_down' && code !== 'busy')
        resume = false;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}

/** Until it is done: the center may be down. */
async function allow(peer: Peer, name: string): Promise<void> {
  for (;;) {
    try {
      await peer.allow(name);
      return tell({ allowed: true });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}

async function quit(peer: Peer, ledger: number): Promise<void> {
  await peer.close();
  closeSync(ledger);
  process.disconnect?.();
}

process.once('message', (orders: PeerOrders) => void run(orders));
process.once('disconnect', () => process.exit());
