; The installer for Windows, by Inno Setup 6.3 or newer, from the folder that package.sh built:
;
;     iscc /DVersion=0.1.0 packaging\windows.iss
;
; It installs for one user and needs no administrator. Removing it leaves the node's data and its key: they may
; hold money.
#ifndef Version
  #error Say which version: iscc /DVersion=...
#endif

[Setup]
AppId={{5B1B7C06-4A0F-4E62-9B7C-6D1E9A0C7F35}
AppName=GPN Desktop
AppVersion={#Version}
AppPublisher=GPN Desktop
VersionInfoVersion={#Version}
DefaultDirName={autopf}\GPN Desktop
DisableProgramGroupPage=yes
PrivilegesRequired=lowest
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
MinVersion=10.0.17763
LicenseFile=..\LICENSE
SetupIconFile=..\build\icons\app.ico
UninstallDisplayIcon={app}\gpn-desktop-window.exe
OutputDir=..\dist
OutputBaseFilename=gpn-desktop-{#Version}-setup
Compression=lzma2
SolidCompression=yes
CloseApplications=yes

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "de"; MessagesFile: "compiler:Languages\German.isl"

[Tasks]
Name: "desktopicon"; Description: "{cm:CreateDesktopIcon}"; Flags: unchecked

[InstallDelete]
; Files of an older version that this one no longer has would be loaded instead of this one's.
Type: filesandordirs; Name: "{app}\_internal"

[Files]
Source: "..\dist\gpn-desktop\*"; DestDir: "{app}"; Flags: recursesubdirs createallsubdirs ignoreversion

[Icons]
Name: "{autoprograms}\GPN Desktop"; Filename: "{app}\gpn-desktop-window.exe"; AppUserModelID: "org.gpn.desktop"
Name: "{autodesktop}\GPN Desktop"; Filename: "{app}\gpn-desktop-window.exe"; Tasks: desktopicon

[Registry]
; Starting at login is set by the application; with it gone nothing should be started.
Root: HKCU; Subkey: "Software\Microsoft\Windows\CurrentVersion\Run"; ValueName: "gpn-desktop"; \
    ValueType: none; Flags: dontcreatekey uninsdeletevalue

[Run]
Filename: "{app}\gpn-desktop-window.exe"; Description: "{cm:LaunchProgram,GPN Desktop}"; \
    Flags: postinstall nowait skipifsilent
