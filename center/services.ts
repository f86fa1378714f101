// What a session can use: the services, which do not know each other.

import type { Outputs } from './connection.ts';
import type { Mail } from './delivery/mail.ts';
import type { CenterIdentity } from './identity.ts';
import type { CenterLimits } from './limits.ts';
import type { Links } from './links/links.ts';
import type { Logger } from './log.ts';
import type { LoginServices } from './login.ts';
import type { Presence } from './presence.ts';
import type { Sessions } from './sessions.ts';
import type { Wheel } from './wheel.ts';

export interface Services extends LoginServices {
  identity: CenterIdentity;
  limits: CenterLimits;
  wheel: Wheel;
  outputs: Outputs;
  mail: Mail;
  links: Links;
  presence: Presence;
  sessions: Sessions;
  log: Logger;
}
