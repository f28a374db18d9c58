import { auth } from "@/auth";
import { SignIn } from "./sign-in";
import { SignOut } from "./sign-out";

export default async function Page() {
  const user = (await auth())?.user;
  if (!user) {
    return (
      <main className="centre">
        <SignIn />
      </main>
    );
  }
  return (
    <div className="frame">
      <header>
        <strong>Host app</strong>
        <span>{user.name}</span>
        <SignOut />
      </header>
      <iframe title="Phoenix" src={`/api/phoenix/ui/${user.tenant}/`} />
    </div>
  );
}
