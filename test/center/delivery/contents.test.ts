import { expect } from 'chai';
import { Contents } from '../../../center/delivery/contents.ts';
import { type Flow, Outbox, outboxKey } from '../../../center/delivery/outbox.ts';
import { centerLimits } from '../../../center/limits.ts';

describe('the contents of a mailbox', () => {
  const limits = centerLimits({ mailboxMessages: 4, mailboxBytes: 1000, mailboxSenderShare: 2 });
  const flowOf = (sender: number, byte = 1): Flow =>
    new Outbox(sender, outboxKey(sender, Buffer.alloc(16, byte))).flow(9);

  it('are counted for each sender, over all its outboxes', () => {
    const contents = new Contents({ count: 1, bytes: 50, senders: [{ sender: 5, count: 1, bytes: 50 }] });
    const [one, other] = [flowOf(5, 1), flowOf(5, 2)];
    contents.add(one, 100);
    contents.add(other, 200);
    expect([contents.count, contents.bytes]).to.deep.equal([3, 350]);
    expect(contents.usage(5)).to.deep.equal({ count: 3, bytes: 350 });
    contents.remove(one, 100);
    expect(contents.usage(5)).to.deep.equal({ count: 2, bytes: 250 });
    expect(contents.usage(6)).to.deep.equal({ count: 0, bytes: 0 });
  });

  it('have room for some of one sender, and for more of others', () => {
    const contents = new Contents({ count: 0, bytes: 0, senders: [] });
    const [one, other] = [flowOf(5), flowOf(6)];
    for (let count = 0; count < 2; count++) {
      expect(contents.problem(one, 100, limits)).to.equal(null);
      contents.add(one, 100);
    }
    expect(contents.problem(one, 100, limits)).to.equal('sender_quota');
    expect(contents.problem(other, 501, limits)).to.equal('sender_quota');
    expect(contents.problem(other, 500, limits)).to.equal(null);
    expect(contents.problem(other, 801, limits)).to.equal('mailbox_full');
    contents.add(other, 1);
    contents.add(other, 1);
    expect(contents.problem(flowOf(7), 1, limits)).to.equal('mailbox_full');
    contents.remove(one, 100);
    expect(contents.problem(one, 100, limits)).to.equal(null);
  });
});
