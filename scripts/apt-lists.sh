# Sourced by scripts that unpack packages of other suites of Debian, and install nothing.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Whether that is possible here.
has_debian() {
    command -v apt-get >/dev/null 2>&1 && [ -e "$keyring" ]
}

# The mirror that this machine uses, or Debian's own.
debian_mirror() {
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null | head -n 1)
    mirror=${mirror:-http://deb.debian.org/debian}
    echo "${mirror%/}"
}

# own_lists FOLDER SUITE [SUITE ...]: lists of our own; then APT_CONFIG="FOLDER/apt.conf" apt-get ... uses them.
own_lists() {
    folder=$1
    shift
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/parts"
    : >"$folder/status"
    mirror=$(debian_mirror)
    for suite in "$@"; do
        echo "deb [signed-by=$keyring] $mirror $suite main"
    done >"$folder/sources.list"
    cat >"$folder/apt.conf" <<END
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "$folder/parts";
Dir::Etc::preferences "$folder/none";
Dir::Etc::preferencesparts "$folder/parts";
Dir::State "$folder";
Dir::State::status "$folder/status";
Dir::State::lists "$folder/lists";
Dir::Cache "$folder/cache";
APT::Sandbox::User "root";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
END
}
