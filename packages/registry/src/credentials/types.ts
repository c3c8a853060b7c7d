/** What a user has to show to one registry. */
export type Credential =
  | { readonly type: "password"; readonly username: string; readonly password: string }
  /** An OAuth refresh token (docker's `identitytoken`). */
  | { readonly type: "identity"; readonly token: string }
  /** Sent as it is (docker's `registrytoken`). */
  | { readonly type: "bearer"; readonly token: string };

export interface FoundCredential {
  readonly credential: Credential | undefined;
  /** Why something that should have given credentials did not. Shown only when the registry refuses. */
  readonly problem?: string | undefined;
}

/** Finds what the user has stored for a repository of a host; asked only after the host has challenged. */
export interface CredentialSource {
  find(host: string, repository: string): Promise<FoundCredential>;
}
