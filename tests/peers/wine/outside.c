/* What somebody else sees of the agent on Windows. Built and started by support/wine.rs.

   outside pipe NAME      owner and access list of a pipe (SDDL), as whoever opens it sees them
   outside squat NAME     makes a pipe as anybody could, and holds it until its input ends
   outside again NAME     tries to make one more instance of a pipe that is there
   outside credentials    the names of all credentials of the Credential Manager
   outside user           the SID of this user */

#include <windows.h>
#include <sddl.h>
#include <aclapi.h>
#include <wincred.h>
#include <stdio.h>
#include <string.h>

static int failed(const char *what)
{
    printf("%s: error %lu\n", what, GetLastError());
    return 1;
}

static int pipe_of(const char *name)
{
    PSECURITY_DESCRIPTOR descriptor;
    char *text;
    HANDLE pipe = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                              SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
    DWORD what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    if (pipe == INVALID_HANDLE_VALUE)
        return failed("open");
    if (GetSecurityInfo(pipe, SE_KERNEL_OBJECT, what, NULL, NULL, NULL, NULL, &descriptor) != 0)
        return failed("security");
    if (!ConvertSecurityDescriptorToStringSecurityDescriptorA(descriptor, SDDL_REVISION_1, what, &text, NULL))
        return failed("text");
    printf("%s\n", text);
    return 0;
}

static HANDLE make(const char *name, DWORD flags)
{
    return CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX | flags, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES, 4096, 4096, 0,
                            NULL);
}

static int squat(const char *name)
{
    if (make(name, FILE_FLAG_FIRST_PIPE_INSTANCE) == INVALID_HANDLE_VALUE)
        return failed("create");
    printf("held\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}

static int again(const char *name)
{
    if (make(name, FILE_FLAG_FIRST_PIPE_INSTANCE) == INVALID_HANDLE_VALUE)
        return failed("create");
    printf("made\n");
    return 0;
}

static int credentials(void)
{
    DWORD count, i;
    PCREDENTIALW *found;
    if (!CredEnumerateW(NULL, 0, &count, &found))
        return GetLastError() == ERROR_NOT_FOUND ? 0 : failed("enumerate");
    for (i = 0; i < count; i++)
        printf("%ls\n", found[i]->TargetName);
    return 0;
}

static int user(void)
{
    HANDLE token;
    DWORD size;
    char *text;
    BYTE buffer[256];
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)
        || !GetTokenInformation(token, TokenUser, buffer, sizeof(buffer), &size)
        || !ConvertSidToStringSidA(((TOKEN_USER *)buffer)->User.Sid, &text))
        return failed("user");
    printf("%s\n", text);
    return 0;
}

int main(int count, char **words)
{
    if (count == 3 && !strcmp(words[1], "pipe"))
        return pipe_of(words[2]);
    if (count == 3 && !strcmp(words[1], "squat"))
        return squat(words[2]);
    if (count == 3 && !strcmp(words[1], "again"))
        return again(words[2]);
    if (count == 2 && !strcmp(words[1], "credentials"))
        return credentials();
    if (count == 2 && !strcmp(words[1], "user"))
        return user();
    return 2;
}
