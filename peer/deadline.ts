// Waiting for the other side, but not for ever.
import { ParleyError } from '../shared/errors.ts';

/** As the promise, but rejects with timeout when it takes longer. */
export async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new ParleyError('timeout', 'The center did not answer.')), timeoutMs);
  try {
    return await Promise.race([promise, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
