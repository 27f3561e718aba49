/** How long a task needs to leave, beside how long a drain has. */
export function presentNeed(deregistrationSeconds: number, stopSeconds: number, startSeconds = 0): string {
  const sum = startSeconds + deregistrationSeconds + stopSeconds;
  const start = startSeconds > 0 ? `${startSeconds} s to start a replacement + ` : '';
  return `its tasks may need ${start}${deregistrationSeconds} s of deregistration + ${stopSeconds} s of stop timeout = ${sum} s`;
}

export const TOO_SHORT_REMEDY =
  "Raise deadlineSeconds, and the hook's heartbeat timeout if its global timeout is the limit.";
