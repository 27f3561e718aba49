/** How figures are said to people; a no-break space keeps a unit with its number. */

const SPACE = '\u00a0';

/** `6 min 2 s`: never more than two units. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${figure(seconds)}${SPACE}s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return twoUnits(whole, 60, 'min', 's');
  return twoUnits(Math.round(whole / 60), 60, 'h', 'min');
}

function twoUnits(amount: number, size: number, large: string, small: string): string {
  const rest = amount % size;
  return `${Math.floor(amount / size)}${SPACE}${large}${rest ? ` ${rest}${SPACE}${small}` : ''}`;
}

/** A number with at most one decimal, its thousands apart. */
export function figure(value: number): string {
  return value.toLocaleString('en-GB', { maximumFractionDigits: 1 });
}

export function percent(value: number): string {
  return `${figure(value)}${SPACE}%`;
}

/** `no task`, `1 task`, `24 tasks`. */
export function count(amount: number, noun: string): string {
  return `${amount === 0 ? 'no' : figure(amount)} ${noun}${amount === 0 || amount === 1 ? '' : 's'}`;
}

/** `minute 4.5` of a drill. */
export function minute(second: number): string {
  return `minute${SPACE}${figure(second / 60)}`;
}
