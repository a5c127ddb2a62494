/** When is a command asked to stop? */

/** The first SIGTERM or SIGINT; a second one ends the process at once. Others stop it too when they are named. */
export function untilSignal(others: readonly NodeJS.Signals[] = []): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = () => {
      if (asked) process.exit(1);
      asked = true;
      resolve();
    };
    for (const signal of ["SIGTERM", "SIGINT", ...others]) process.on(signal, onSignal);
  });
}
