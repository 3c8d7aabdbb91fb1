/** Calls `act` every so many milliseconds until the function that it gives is called. */
export type Every = (milliseconds: number, act: () => void) => () => void;

export const every: Every = (milliseconds, act) => {
  const timer = setInterval(act, milliseconds);
  return () => clearInterval(timer);
};
