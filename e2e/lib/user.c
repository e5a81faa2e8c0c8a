// Starts a program without an administrator's rights, as Windows does for everybody. Under Wine, programs have them
// all.
// The arguments are the program and its arguments; the exit code is the program's.
#include <windows.h>

static DWORD fail(const char *what) {
  MessageBeep(0);
  OutputDebugStringA(what);
  return 91;
}

int wmain(int count, wchar_t **words) {
  HANDLE own, user;
  DWORD length;
  TOKEN_LINKED_TOKEN linked;
  static wchar_t line[32768];
  for (int i = 1; i < count; i++) {
    lstrcatW(line, L"\"");
    lstrcatW(line, words[i]);
    lstrcatW(line, L"\" ");
  }
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_DUPLICATE, &own)) return fail("no token");
  if (!GetTokenInformation(own, TokenLinkedToken, &linked, sizeof linked, &length)) return fail("no lesser token");
  if (!DuplicateTokenEx(linked.LinkedToken, MAXIMUM_ALLOWED, NULL, SecurityImpersonation, TokenPrimary, &user))
    return fail("no token to start with");
  STARTUPINFOW how = {.cb = sizeof how};
  PROCESS_INFORMATION started;
  if (!CreateProcessAsUserW(user, NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &how, &started)) return fail("not started");
  WaitForSingleObject(started.hProcess, INFINITE);
  GetExitCodeProcess(started.hProcess, &length);
  return length;
}
