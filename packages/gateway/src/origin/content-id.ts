/** What one response is called by all gateways: the target of the client, its `Host`, its path. */
export interface OriginContentName {
  /** As `targetKey` writes it. */
  readonly target: string;
  readonly host: string;
  readonly path: string;
}

export function contentIdOf({ target, host, path }: OriginContentName): string {
  return `${target} ${host} ${path}`;
}

/** Undefined for what is no such name: clients may ask for any id. */
export function parseContentId(id: string): OriginContentName | undefined {
  const [, target, host, path] = /^([0-9a-z._:[\]-]{3,263}) ([0-9A-Za-z._:[\]-]{1,255}) (\/[\x21-\x7e]{0,479})$/.exec(id) ?? [];
  return target === undefined || host === undefined || path === undefined ? undefined : { target, host, path };
}
