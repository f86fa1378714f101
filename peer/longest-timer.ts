/** Node.js takes what is longer for one millisecond. */
export const longestTimerMs = 2_147_483_647;
