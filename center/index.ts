// `import { Center } from 'parley-chat/center'`: a center in one's own process, for tests and embedding.

export { ParleyError } from '../shared/errors.ts';
export { Center, type CenterOptions } from './center.ts';
export type { CenterLimits } from './limits.ts';
export type { Logger } from './log.ts';
