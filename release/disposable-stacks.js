// Node 22 has `using` only by its compiled form, without these classes. Node 24's own are used where they exist.

class OwnSuppressedError extends Error {
  constructor(error, suppressed, message) {
    super(message);
    this.error = error;
    this.suppressed = suppressed;
  }
}
Object.defineProperty(OwnSuppressedError.prototype, "name", { value: "SuppressedError" });

/** Clean-up functions, of which the last added is the first called. */
class Cleanups {
  #functions = [];
  #isDisposed = false;

  get disposed() {
    return this.#isDisposed;
  }

  use(value) {
    if (value === null || value === undefined) return value;
    const method = this.methodOf(value);
    if (typeof method !== "function") throw new TypeError("the value can't be disposed");
    return this.adopt(value, () => method.call(value));
  }

  adopt(value, cleanup) {
    this.defer(() => cleanup(value));
    return value;
  }

  defer(cleanup) {
    if (this.#isDisposed) throw new ReferenceError("the stack is already disposed");
    if (typeof cleanup !== "function") throw new TypeError("the clean-up isn't a function");
    this.#functions.push(cleanup);
  }

  move() {
    const moved = new this.constructor();
    moved.#functions = this.end().reverse();
    return moved;
  }

  /** Marks the stack as disposed, and returns the functions in the order of their calls. */
  end() {
    if (this.#isDisposed) throw new ReferenceError("the stack is already disposed");
    this.#isDisposed = true;
    return this.#functions.reverse();
  }
}

/** The error of a disposal: the last one, which suppresses those before. */
class Failure {
  #thrown = [];

  add(error) {
    this.#thrown = [this.#thrown.length === 0 ? error : new SuppressedError(error, this.#thrown[0])];
  }

  throwIfAny() {
    for (const error of this.#thrown) throw error;
  }
}

class OwnDisposableStack extends Cleanups {
  methodOf(value) {
    return value[Symbol.dispose];
  }

  dispose() {
    if (this.disposed) return;
    const failure = new Failure();
    for (const cleanup of this.end()) {
      try {
        cleanup();
      } catch (error) {
        failure.add(error);
      }
    }
    failure.throwIfAny();
  }

  [Symbol.dispose]() {
    this.dispose();
  }
}

class OwnAsyncDisposableStack extends Cleanups {
  methodOf(value) {
    return value[Symbol.asyncDispose] ?? value[Symbol.dispose];
  }

  async disposeAsync() {
    if (this.disposed) return;
    const failure = new Failure();
    for (const cleanup of this.end()) {
      try {
        await cleanup();
      } catch (error) {
        failure.add(error);
      }
    }
    failure.throwIfAny();
  }

  [Symbol.asyncDispose]() {
    return this.disposeAsync();
  }
}

export const SuppressedError = globalThis.SuppressedError ?? OwnSuppressedError;
export const DisposableStack = globalThis.DisposableStack ?? OwnDisposableStack;
export const AsyncDisposableStack = globalThis.AsyncDisposableStack ?? OwnAsyncDisposableStack;
