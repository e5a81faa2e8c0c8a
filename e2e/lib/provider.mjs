// A real OpenID provider (oidc-provider) with two people: node provider.mjs PORT REDIRECT-URI. Its development pages
// let anybody sign in with the name that they type.
import Provider from 'oidc-provider';

const [port, back] = process.argv.slice(2);
const PEOPLE = {
  grace: {
    name: 'Grace Okoro',
    email: 'grace@northwind.example',
    preferred_username: 'grace',
    groups: ['helpdesk', 'staff']
  },
  mallory: {
    name: 'Mallory Stone',
    email: 'mallory@northwind.example',
    preferred_username: 'mallory',
    groups: ['visitors']
  },
  ivan: { name: 'Ivan Petrov', email: 'ivan@northwind.example', preferred_username: 'eva', groups: ['helpdesk', 'it'] }
};
const provider = new Provider(`http://localhost:${port}`, {
  clients: [{ client_id: 'deskside', client_secret: 'a secret of a test', redirect_uris: [back] }],
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email'], groups: ['groups'] },
  findAccount: (_, id) => (PEOPLE[id] ? { accountId: id, claims: async () => ({ sub: id, ...PEOPLE[id] }) } : undefined)
});
provider.listen(Number(port), () => console.log('listening'));
