// A broadcast: for whoever is online now, at most once.
import { ParleyError } from '../shared/errors.ts';
import type { Session } from './session.ts';

/**
 * Resolves with how many sessions it was handed to, and how many were left out.
 * @throws ParleyError what the center answers; disconnected, where it may have reached some: it is not sent again
 */
export async function broadcast(session: Session, body: string): Promise<{ handed: number; leftOut: number }> {
  const isOnline = session.isOnline;
  try {
    const { broadcasted } = await session.request({ broadcast: { body, sentAtMs: Date.now() } });
    return { handed: broadcasted?.handed ?? 0, leftOut: broadcasted?.leftOut ?? 0 };
  } catch (error) {
    if (!isOnline || !(error instanceof ParleyError) || error.code !== 'disconnected') throw error;
    const text =
      'The connection broke before the answer: the broadcast may have reached nobody, and is not sent again.';
    throw new ParleyError('disconnected', text);
  }
}
