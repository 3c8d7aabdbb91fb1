/** Files that hold keys as a rule, by their names in small letters. */
const secretNames: readonly RegExp[] = [
  /^\.env(?:[._~-](?!example$|sample$|template$|dist$).*)?$/,
  /^\.envrc$/,
  /\.env$/,
  /\.(?:pem|key|p12|pfx|p8|jks|keystore|keytab|kdbx|ppk|tfstate|tfvars|ovpn)(?:\.backup)?$/,
  /^id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$/,
  /^\.(?:netrc|npmrc|pypirc|pgpass|htpasswd|git-credentials|dockercfg|s3cfg|boto)$/,
  /^_netrc$/,
  /^(?:credentials|application_default_credentials|secrets?|service[-_]?account.*|client_secret.*|.*firebase-adminsdk.*|kubeconfig)(?:\.(?:json|ya?ml|toml|ini|txt|properties))?$/,
];

/** Whether a file of that name, without its folder, holds keys as a rule. */
export function hasSecretName(name: string): boolean {
  const lower = name.toLowerCase();
  return secretNames.some((pattern) => pattern.test(lower));
}

/** A private key of OpenSSL, OpenSSH, PGP, ssh.com or PuTTY, wherever it stands. */
export function holdsPrivateKey(text: string): boolean {
  return /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----|^PuTTY-User-Key-File-\d/m.test(
    text,
  );
}
