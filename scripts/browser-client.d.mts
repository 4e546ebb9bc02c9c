export declare const browserClient: string
/** Resolves with the bytes, or writes them to `outfile`. */
export declare function bundleClient(outfile: string | undefined): Promise<Uint8Array>
