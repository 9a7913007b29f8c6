/** Maximum size of one allocation, in bytes: a thousand times the longest input, which is 64 KiB. */
const MOST_BYTES = 64 << 20;

/** Makes a larger allocation a finding. */
export function limitAllocations(): void {
  for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const) {
    const real = Buffer[name] as (size: number, ...more: unknown[]) => Buffer;
    const limited = (size: number, ...more: unknown[]) => {
      if (size > MOST_BYTES) throw new Error(`promise broken: ${size} bytes were allocated at once`);
      return real(size, ...more);
    };
    Object.assign(Buffer, { [name]: limited });
  }
}
