/** Bytes: no input is longer than 64 KiB, and none is worth a thousand times as much memory. */
const MOST_BYTES = 64 << 20;

/** Makes an allocation of many bytes a finding. */
export function limitAllocations(): void {
  for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const) {
    const real = Buffer[name] as (size: number, ...more: unknown[]) => Buffer;
    const limited = (size: number, ...more: unknown[]) => {
      if (size > MOST_BYTES) throw new Error(`promise broken: ${size} bytes are allocated at once`);
      return real(size, ...more);
    };
    Object.assign(Buffer, { [name]: limited });
  }
}
