/**
 * Returns the object with methods whose promises count as handled. A case that fails leaves calls behind that it no longer
 * awaits, and they reject when its connections close.
 */
export function quietMethods<T extends object>(object: T): T {
  return new Proxy(object, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        const result: unknown = value.apply(target, args);
        if (result instanceof Promise) result.catch(() => undefined);
        return result;
      };
    },
  });
}
