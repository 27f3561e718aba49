const MINUTE = 60;
/** From ten minutes on, seconds say nothing. */
const EXACT = 10 * MINUTE;
/** Auto Scaling says 48 hours, so a limit of AWS is not two days here. */
const MOST_HOURS = 48;

/** A duration as people say it: `2.5 s`, `45 s`, `1 min 30 s`, `2 min`, `31 min`, `2 h 5 min`, `48 h`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const tenths = Math.round(seconds * 10) / 10;
  if (tenths < MINUTE) return `${tenths} s`;
  const whole = Math.round(seconds);
  if (whole < EXACT) return inTwo(whole, MINUTE, 'min', 's');
  const minutes = Math.round(whole / MINUTE);
  if (minutes < 60) return `${minutes} min`;
  if (minutes <= MOST_HOURS * 60) return inTwo(minutes, 60, 'h', 'min');
  return inTwo(Math.round(minutes / 60), 24, 'd', 'h');
}

function inTwo(amount: number, size: number, large: string, small: string): string {
  const rest = amount % size;
  return `${Math.floor(amount / size)} ${large}${rest > 0 ? ` ${rest} ${small}` : ''}`;
}
